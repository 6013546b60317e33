"""The last minute of a stream: frames, samples and masks fall on each other, delay included."""

import numpy as np
import pytest

from svc.backends.protocols import RecognisedChunk
from svc.pipelines.live.recent_sound import RecentSound

FRAME_S, DELAY_S = 0.04, 0.08


def sound_of(num_frames: int, *, kept_s: float = 60.0) -> RecentSound:
    """Samples that tell their own place; channel 0 active in even frames, and masked in odd ones."""
    sound = RecentSound(kept_s=kept_s, frame_s=FRAME_S, delay_s=DELAY_S, active_probability=0.5)
    for frame in range(num_frames):
        sound.hear(np.arange(frame * 640, (frame + 1) * 640, dtype=np.float32) / 1e6)
        even = float(frame % 2 == 0)
        masks = np.stack([np.full((4, 80), even), np.ones((4, 80))]).astype(np.float32)
        activity = np.array([[even], [1.0]], np.float32)
        nothing: tuple[tuple[()], tuple[()]] = ((), ())
        sound.follow(
            RecognisedChunk(first_frame=frame, emissions=nothing, partial=nothing, activity=activity, masks=masks)
        )
    return sound


def test_a_frame_speaks_of_the_samples_a_delay_before_it() -> None:
    sound = sound_of(50)
    samples = sound.mixture(np.array([10, 12]))
    assert samples[[0, 639, 640]] * 1e6 == pytest.approx([8 * 640, 9 * 640 - 1, 10 * 640], rel=1e-5)


def test_a_stretch_of_time_is_the_frames_that_speak_of_it() -> None:
    sound = sound_of(50)
    assert sound.frames(0.4, 0.8, last=49).tolist() == list(range(12, 22))
    assert sound.frames(0.4, 0.8, last=15).tolist() == [12, 13, 14, 15]
    assert sound.frames(0.0, 99.0, last=49).tolist() == list(range(2, 50))
    assert sound.frames(5.0, 9.0, last=49).tolist() == []


def test_the_separated_sound_of_some_frames_is_masked() -> None:
    sound = sound_of(50)
    frames = np.arange(10, 20)
    np.testing.assert_allclose(
        sound.separated(frames, 1)[50:-500], sound.mixture(frames)[50:-500], atol=2e-4 * sound.mixture(frames).max()
    )
    assert len(sound.separated(frames[::3], 0)) == 4 * 640
    assert sound.separated(frames[:0], 0).size == 0
    assert np.abs(sound.separated(frames, 0)).mean() < np.abs(sound.separated(frames, 1)).mean()


def test_old_sound_is_gone_and_never_asked_for() -> None:
    sound = sound_of(200, kept_s=2.0)
    frames = sound.frames(0.0, 99.0, last=199)
    assert (frames[0], frames[-1]) == (150, 199)
    assert len(sound.mixture(frames)) == len(sound.separated(frames, 0)) == 50 * 640
    assert sound.active(frames)[:, 0].tolist() == [frame % 2 == 0 for frame in frames.tolist()]
