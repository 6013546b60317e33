"""clip -> 16 kHz -> voice activity -> quality and embedding: how every voiceprint of the service is made."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from svc.audio.quality import measure_quality
from svc.audio.resample import resample
from svc.audio.voice_activity import SpeechFinder, speech_pieces
from svc.backends.call_scope import check_wanted
from svc.backends.protocols import Embedder
from svc.errors import ServiceError, TooLittleSpeechError
from svc.scoring.cosine import mean_direction
from svc.types import MODEL_RATE_HZ, AudioQuality, Extraction, FloatArray, Voiceprint, Waveform

IntArray = npt.NDArray[np.int64]
# Long speech is embedded in windows and averaged; past ten windows another one changes the mean by nothing worth its
# time, so they are spread evenly over the recording.
WINDOW_S = 30.0
MAX_WINDOWS = 10
# Embedders want 0.1 s at least.
MIN_CLIP_S = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    """A clip on its way: its quality and the windows to embed."""

    quality: AudioQuality
    windows: tuple[FloatArray, ...]


class VoiceprintExtractor:
    """Waveforms to voiceprints. Safe to call from several threads at once."""

    def __init__(self, *, embedder: Embedder, speech_finder: SpeechFinder, min_net_speech_s: float) -> None:
        self.embedder = embedder
        self.speech_finder = speech_finder
        self.min_net_speech_s = max(min_net_speech_s, MIN_CLIP_S)

    def extract(self, waveform: Waveform) -> Extraction:
        """Raises TooLittleSpeechError, and what the embedder raises."""
        return self._embed([self._prepare(waveform)])[0]

    def extract_many(self, waveforms: Sequence[Waveform]) -> list[Extraction]:
        """All clips in one call of the embedder. An error of a clip names it as field: "utterances[1]"."""
        prepared = []
        for number, waveform in enumerate(waveforms):
            try:
                prepared.append(self._prepare(waveform))
            except ServiceError as error:
                error.field = utterance_field(number)
                raise
        return self._embed(prepared)

    def _prepare(self, waveform: Waveform) -> _Prepared:
        check_wanted()
        at_model_rate = resample(waveform, MODEL_RATE_HZ)
        spans = self.speech_finder.find(at_model_rate)
        # At the rate it came with: resampled, a telephone call would only look like wide-band silence above 4 kHz.
        quality = measure_quality(waveform, spans)
        if quality.net_speech_s < self.min_net_speech_s:
            raise TooLittleSpeechError(
                f"{quality.net_speech_s:.2f} s of speech in {waveform.duration_s:.2f} s of audio, a voiceprint needs "
                f"{self.min_net_speech_s:g} s: send a longer recording, closer to the microphone"
            )
        return _Prepared(quality, windows_of(speech_pieces(at_model_rate, spans)))

    def _embed(self, prepared: Sequence[_Prepared]) -> list[Extraction]:
        if not prepared:
            return []
        embeddings = self.embedder.embed([window for clip in prepared for window in clip.windows])
        ends = np.cumsum([len(clip.windows) for clip in prepared])
        groups = np.split(embeddings, ends[:-1])
        return [self._extraction(clip, group) for clip, group in zip(prepared, groups, strict=True)]

    def _extraction(self, clip: _Prepared, embeddings: FloatArray) -> Extraction:
        """(W, D) embeddings of a clip's windows, which are of one length -> their mean direction."""
        vector = mean_direction(embeddings)
        voiceprint = Voiceprint.of(vector, clip.quality, model_fingerprint=self.embedder.fingerprint)
        return Extraction(voiceprint, clip.quality)


def utterance_field(number: int) -> str:
    """How errors name one clip of many."""
    return f"utterances[{number}]"


def windows_of(pieces: Sequence[FloatArray]) -> tuple[FloatArray, ...]:
    """Pieces of speech (N_p,), taken as one -> at most MAX_WINDOWS windows of equal length, at most WINDOW_S each,
    evenly spread. Hours of speech are not copied for it.
    """
    ends = np.cumsum([len(piece) for piece in pieces])
    num_samples, window_samples = int(ends[-1]), round(WINDOW_S * MODEL_RATE_HZ)
    num_windows = min(max(1, -(-num_samples // window_samples)), MAX_WINDOWS)
    length = min(window_samples, num_samples)
    starts = np.linspace(0, num_samples - length, num_windows).round().astype(int)
    return tuple(_within(pieces, ends, start, start + length) for start in starts)


def _within(pieces: Sequence[FloatArray], ends: IntArray, start: int, stop: int) -> FloatArray:
    """Samples `start` to `stop` of the pieces as one; `ends` (P,) tells where each ends."""
    first, last = np.searchsorted(ends, [start, stop - 1], side="right")
    inside = []
    for piece, end in zip(pieces[first : last + 1], ends[first : last + 1], strict=True):
        begin = end - len(piece)
        inside.append(piece[max(0, start - begin) : stop - begin])
    return np.concatenate(inside)
