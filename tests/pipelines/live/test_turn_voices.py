"""The voice of a turn: of the latest speech alone, or masked out of the overlap; nothing else is kept for it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from svc.backends.protocols import RecognisedChunk
from svc.pipelines.live.recent_sound import RecentSound
from svc.pipelines.live.turn_voices import MARGIN_FRAMES, TurnListener, TurnSpeech, TurnVoice
from svc.types import FloatArray, Span
from tests.pipelines.toy_voices import HumEmbedder

FRAME_S, FRAME_SAMPLES = 0.04, 640
MOST_S = 6.0


@dataclass
class KeepingEmbedder(HumEmbedder):
    """Remembers what it was given."""

    clips: list[FloatArray] = field(default_factory=list)

    def embed(self, clips: Sequence[FloatArray]) -> FloatArray:
        self.clips += clips
        return super().embed(clips)


@pytest.fixture
def embedder() -> KeepingEmbedder:
    return KeepingEmbedder()


def sound_of(first: str, second: str) -> RecentSound:
    """Noise; a letter is a second of a channel: x active, anything else silent. Masks differ from frame to frame."""
    random = np.random.default_rng(0)
    active = np.repeat([[letter == "x" for letter in letters] for letters in (first, second)], 25, axis=1)  # (C, F)
    num_frames = active.shape[1]
    sound = RecentSound(kept_s=60.0, frame_s=FRAME_S, delay_s=0.0, active_probability=0.5)
    sound.hear(random.normal(0, 0.1, num_frames * FRAME_SAMPLES).astype(np.float32))
    masks = random.random((2, 4 * num_frames, 80), np.float32)
    nobody: tuple[tuple[()], tuple[()]] = ((), ())
    sound.follow(
        RecognisedChunk(
            first_frame=0, emissions=nobody, partial=nobody, activity=active.astype(np.float32), masks=masks
        )
    )
    return sound


def heard(listener: TurnListener, sound: RecentSound, duration_s: float) -> TurnSpeech:
    speech = listener.hear(sound, 0, span=Span(0.0, duration_s), last_frame=round(duration_s / FRAME_S) - 1)
    assert speech is not None
    return speech


def voice_of(listener: TurnListener, speech: TurnSpeech) -> TurnVoice:
    (part,) = listener.parts(speech)
    assert part.voice is not None
    return part.voice


def test_of_an_open_turn_no_more_sound_is_copied_than_its_voice_is_taken_from(embedder: KeepingEmbedder) -> None:
    speech = heard(TurnListener(embedder), sound_of("x" * 20, "-" * 20), 20.0)
    assert speech.start_s == 0.0
    assert len(speech.sound.mixture) == round(MOST_S / FRAME_S + MARGIN_FRAMES) * FRAME_SAMPLES


@pytest.mark.parametrize(("other", "alone_s"), [("-" * 20, 20.0), ("x" * 10 + "-" * 10, 10.0), ("x" * 20, 0.0)])
def test_a_voice_is_as_if_the_whole_turn_had_been_copied(embedder: KeepingEmbedder, other: str, alone_s: float) -> None:
    listener, sound = TurnListener(embedder), sound_of("x" * 20, other)
    voice = voice_of(listener, heard(listener, sound, 20.0))
    latest = np.arange(500 - round(MOST_S / FRAME_S), 500)
    whole = sound.stretch(np.arange(500), 0).separated(np.isin(np.arange(500), latest))
    expected = sound.mixture(latest) if alone_s else whole
    np.testing.assert_allclose(embedder.clips[0], expected, atol=1e-6)
    assert voice.alone_s == pytest.approx(alone_s)


def test_speech_alone_is_taken_rather_than_later_overlap(embedder: KeepingEmbedder) -> None:
    listener, sound = TurnListener(embedder), sound_of("xxx-xx", "----xx")
    voice = voice_of(listener, heard(listener, sound, 6.0))
    np.testing.assert_array_equal(embedder.clips[0], sound.mixture(np.arange(75)))
    assert voice.alone_s == pytest.approx(3.0)


def test_a_turn_of_which_too_little_is_heard_has_no_voice(embedder: KeepingEmbedder) -> None:
    listener, sound = TurnListener(embedder), sound_of("x---", "-xxx")
    assert listener.hear(sound, 0, span=Span(0.0, 0.4), last_frame=9) is None
    assert listener.hear(sound, 0, span=Span(2.0, 4.0), last_frame=99) is None


def test_who_needs_no_voice_gets_none(embedder: KeepingEmbedder) -> None:
    listener = TurnListener(embedder)
    speech = replace(heard(listener, sound_of("xxx", "---"), 3.0), needs_voice=False)
    assert [part.voice for part in listener.parts(speech)] == [None]
    assert embedder.clips == []
