"""Where within a turn the voice changes: two talkers may follow each other so closely that no `<eot>` comes between.

Voices of short windows side by side are compared with each other first. Where two may be two people, windows between
them are heard too, and all are compared on either side of every gap between words: where the sides fit worst, and worse
than two people, the turn is cut, and each piece is looked at again.
Letters: W windows, D embedding width, N samples.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from svc.audio.quality import measure_beside
from svc.backends.protocols import Embedder
from svc.scoring.calibration import Calibration
from svc.scoring.conditions import Conditions, SideConditions
from svc.scoring.cosine import mean_direction
from svc.types import MODEL_RATE_HZ, AudioQuality, FloatArray, Span, Voiceprint

# Windows embedded in one call: a turn of a minute has twice as many, and others wait meanwhile.
BATCH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceChangeConfig:
    """How turns are searched. Two sides are two people below `split_llr`, in nats, and when each lasts `min_side_s`."""

    # Two windows may be two people below this.
    doubt_llr: float = 0.0
    split_llr: float = -2.0
    window_s: float = 1.5
    min_side_s: float = 0.6
    # Of a side, what is next to the gap: further away it may be somebody else again.
    max_side_s: float = 4.0

    def __post_init__(self) -> None:
        if self.window_s <= 0 or not 0 < self.min_side_s <= self.max_side_s or self.split_llr > self.doubt_llr:
            message = f"need window_s > 0, 0 < min_side_s <= max_side_s and split_llr <= doubt_llr, got {self}"
            raise ValueError(message)


@dataclass(frozen=True, slots=True, eq=False)
class _Windows:
    """(W, 2) start and end in seconds, (W, D) voices, and the conditions they were heard under."""

    spans: npt.NDArray[np.float64]
    voices: FloatArray
    quality: AudioQuality

    def with_all(self, others: "_Windows") -> "_Windows":
        return _Windows(
            np.concatenate([self.spans, others.spans]), np.concatenate([self.voices, others.voices]), self.quality
        )


@dataclass(frozen=True, slots=True, eq=False)
class VoiceSearch:
    """The words that another voice begins with. Where no two windows may be two people's, the voice of all (D,)."""

    places: tuple[int, ...] = ()
    only_voice: FloatArray | None = None


class VoiceChanges:
    """Safe to call from several threads at once."""

    def __init__(self, embedder: Embedder, calibration: Calibration, config: VoiceChangeConfig | None = None) -> None:
        self.embedder = embedder
        self.calibration = calibration
        self.config = config or VoiceChangeConfig()

    def find(self, samples: FloatArray, words: Sequence[Span], pauses: FloatArray) -> VoiceSearch:
        """(N,) of a turn, its words within it, and (P,) of pauses around it -> where the voice changes, if it does.

        Raises what the embedder raises.
        """
        duration_s, window_s = len(samples) / MODEL_RATE_HZ, self.config.window_s
        if len(words) < 2 or duration_s < 1.5 * window_s:
            return VoiceSearch()
        # Of all of the turn, not only of what its voice is taken from: so are the windows that are compared.
        quality = measure_beside(samples, pauses)
        starts_s = np.append(np.arange(0.0, duration_s - window_s, window_s), duration_s - window_s)
        windows = self._heard(samples, starts_s, quality)
        if not self._doubtful(windows):
            return VoiceSearch(only_voice=mean_direction(windows.voices))
        between = self._heard(samples, (starts_s[:-1] + starts_s[1:]) / 2, quality)
        cuts = self._cuts(windows.with_all(between), words, 0, len(words), Span(0.0, duration_s))
        return VoiceSearch(tuple(sorted(cuts)))

    def _heard(self, samples: FloatArray, starts_s: npt.NDArray[np.float64], quality: AudioQuality) -> _Windows:
        spans = np.stack([starts_s, starts_s + self.config.window_s], axis=1)
        places = (spans * MODEL_RATE_HZ).astype(int).tolist()
        clips = [samples[first:past] for first, past in places]
        batches = [self.embedder.embed(clips[first : first + BATCH]) for first in range(0, len(clips), BATCH)]
        return _Windows(spans, np.concatenate(batches), quality)

    def _doubtful(self, windows: _Windows) -> bool:
        """Whether any two windows may be two people."""
        first, second = np.triu_indices(len(windows.spans), k=1)
        one = self._voiceprint(windows, np.ones(len(windows.spans), np.bool_), self.config.window_s)
        sides = SideConditions.of([one] * len(first)), SideConditions.of([one] * len(first))
        scores = (windows.voices @ windows.voices.T)[first, second].astype(np.float64)
        return bool((self.calibration.llr(scores, Conditions(*sides)) < self.config.doubt_llr).any())

    def _cuts(self, windows: _Windows, words: Sequence[Span], first: int, past: int, within: Span) -> Iterator[int]:
        """Of the words `first` to `past`, spoken within a stretch."""
        gaps_s = {place: (words[place - 1].end_s + words[place].start_s) / 2 for place in range(first + 1, past)}
        llrs = {place: self._llr(windows, gap_s, within) for place, gap_s in gaps_s.items()}
        place = min(llrs, key=lambda each: llrs[each], default=None)
        if place is None or llrs[place] >= self.config.split_llr:
            return
        yield place
        yield from self._cuts(windows, words, first, place, Span(within.start_s, gaps_s[place]))
        yield from self._cuts(windows, words, place, past, Span(gaps_s[place], within.end_s))

    def _llr(self, windows: _Windows, gap_s: float, within: Span) -> float:
        """That both sides of a gap are one person; a quarter of a window may reach over."""
        reach_s = self.config.max_side_s
        sides = (
            Span(max(within.start_s, gap_s - reach_s), gap_s),
            Span(gap_s, min(within.end_s, gap_s + reach_s)),
        )
        if min(side.duration_s for side in sides) < self.config.min_side_s:
            return np.inf
        left, right = (self._side(windows, side) for side in sides)
        if left is None or right is None:
            return np.inf
        conditions = Conditions(SideConditions.of([left]), SideConditions.of([right]))
        return float(self.calibration.llr(np.array([left.vector @ right.vector]), conditions)[0])

    def _side(self, windows: _Windows, side: Span) -> Voiceprint | None:
        """The mean voice of the windows within."""
        over_s = self.config.window_s / 4
        inside = (windows.spans[:, 0] >= side.start_s - over_s) & (windows.spans[:, 1] <= side.end_s + over_s)
        return self._voiceprint(windows, inside, side.duration_s) if inside.any() else None

    def _voiceprint(self, windows: _Windows, chosen: npt.NDArray[np.bool_], speech_s: float) -> Voiceprint:
        quality = replace(windows.quality, net_speech_s=speech_s)
        return Voiceprint.of(
            mean_direction(windows.voices[chosen]), quality, model_fingerprint=self.embedder.fingerprint
        )
