"""What is taken from a window for a local speaker's voice."""

from collections.abc import Sequence

import numpy as np

from svc.pipelines.local_voices import EmbeddingConfig, WindowedSpeech, WindowListener
from svc.types import FloatArray, Turn
from tests.pipelines.toy_voices import FRAME_SAMPLES, RATE_HZ, HumEmbedder, HumSegmenter, hum, turn


class LengthKeeper(HumEmbedder):
    """Remembers how much it was given to hear."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def embed(self, clips: Sequence[FloatArray]) -> FloatArray:
        """B clips -> (B, P), unit length."""
        self.seconds += [len(clip) / RATE_HZ for clip in clips]
        return super().embed(clips)


def listen(
    said: Sequence[Turn], config: EmbeddingConfig | None = None, *, duration_s: float = 5.0
) -> tuple[WindowedSpeech, list[float]]:
    embedder = LengthKeeper()
    listener = WindowListener(HumSegmenter(), embedder, config or EmbeddingConfig())
    return listener.listen(hum(said, duration_s=duration_s).samples, hop_s=2.5), embedder.seconds


def test_only_speech_of_nobody_else_is_heard() -> None:
    heard, seconds = listen([turn(0.0, 3.0, 0), turn(2.0, 5.0, 1)])
    assert seconds == [2.0, 2.0]
    assert heard.voices.clean_s.tolist() == [2.0, 2.0]
    assert heard.voices.vectors.max(axis=1).min() > 0.99


def test_who_never_talks_alone_is_heard_with_the_other() -> None:
    heard, seconds = listen([turn(0.0, 5.0, 0), turn(2.0, 3.0, 1)])
    assert seconds == [4.0, 1.0]
    assert heard.voices.clean_s.tolist() == [4.0, 0.0]


def test_a_moment_of_speech_has_no_voice_but_is_counted() -> None:
    heard, seconds = listen([turn(1.0, 1.1, 0)])
    assert seconds == []
    assert heard.voices.vectors.shape == (0, HumEmbedder.dimension)
    assert heard.active.sum() == round(0.1 * RATE_HZ / FRAME_SAMPLES)


def test_long_speech_is_cut_to_its_middle() -> None:
    first_half_other = [turn(0.0, 1.0, 0), turn(1.0, 5.0, 1)]
    _, seconds = listen(first_half_other, EmbeddingConfig(max_speech_s=2.0))
    assert seconds == [1.0, 2.0]


def test_every_window_of_every_batch_is_numbered() -> None:
    heard, _ = listen([turn(0.0, 30.0, 0)], EmbeddingConfig(batch_windows=3), duration_s=30.0)
    np.testing.assert_array_equal(heard.voices.windows, np.arange(len(heard.starts)))
    assert heard.active.shape[0] == len(heard.starts) == 11
