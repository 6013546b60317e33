"""Who spoke when in a finished recording: windows -> local voices -> speakers -> turns -> voiceprints."""

from dataclasses import dataclass, field

from svc.audio.resample import resample
from svc.backends.protocols import Embedder, Segmenter
from svc.errors import InvalidRequestError
from svc.pipelines.clustering import ClusteringConfig, SpeakerBounds, assign_speakers, find_speakers
from svc.pipelines.local_voices import EmbeddingConfig, Progress, WindowedSpeech, WindowListener
from svc.pipelines.reconstruction import (
    BoolArray,
    choose_speakers,
    count_speakers,
    overlaps_of,
    smooth,
    spans_of,
    vote_speakers,
)
from svc.pipelines.speaker_voiceprints import VoiceprintLimits, speaker_voiceprints
from svc.types import DiarizationResult, DiarizedSpeaker, Span, Turn, Waveform


@dataclass(frozen=True, slots=True, kw_only=True)
class DiarizationConfig:
    """Defaults tuned by `python -m training.tune_diarization`."""

    # Between window starts: halving it doubles the work.
    hop_s: float = 2.5
    # Pauses of one speaker shorter than this are talked through; then turns shorter than this are dropped.
    min_gap_s: float = 0.25
    min_turn_s: float = 0.1
    # When the caller sets no bound.
    max_speakers: int = 20
    # However many the caller asks for: memory grows with frames times speakers.
    speaker_limit: int = 100
    embedding: EmbeddingConfig = field(default_factory=EmbeddingConfig)
    clustering: ClusteringConfig = field(default_factory=ClusteringConfig)
    voiceprints: VoiceprintLimits = field(default_factory=VoiceprintLimits)

    def __post_init__(self) -> None:
        if self.hop_s <= 0 or self.min_gap_s < 0 or self.min_turn_s < 0:
            raise ValueError(f"need hop_s > 0 and durations >= 0, got {self}")
        if not 1 <= self.max_speakers <= self.speaker_limit:
            raise ValueError(f"need 1 <= max_speakers <= speaker_limit, got {self.max_speakers}, {self.speaker_limit}")


class Diarizer:
    """Diarizes recordings of any length in memory linear in it. Thread-safe as its models are."""

    def __init__(self, *, segmenter: Segmenter, embedder: Embedder, config: DiarizationConfig | None = None) -> None:
        self.config = config or DiarizationConfig()
        self.embedder = embedder
        self.listener = WindowListener(segmenter, embedder, self.config.embedding)
        if self.config.hop_s > segmenter.window_s:
            raise ValueError(f"hop_s {self.config.hop_s} leaves gaps between windows of {segmenter.window_s} s")

    def diarize(
        self,
        waveform: Waveform,
        *,
        num_speakers: int | None = None,
        min_speakers: int | None = None,
        max_speakers: int | None = None,
        progress: Progress | None = None,
    ) -> DiarizationResult:
        """A recording without speech gives an empty result, one with too few voices fewer speakers than asked for.

        Raises InvalidRequestError when the wanted numbers of speakers contradict each other.
        """
        bounds = speaker_bounds(num_speakers, min_speakers, max_speakers=max_speakers, config=self.config)
        # Once, and before anything else: all that follows looks into these samples, nothing copies them.
        waveform = resample(waveform)
        heard = self.listener.listen(waveform.samples, hop_s=self.config.hop_s, progress=progress)
        spans_by_speaker = self.timeline(heard, bounds, end_s=waveform.duration_s)
        voiceprints = speaker_voiceprints(
            waveform, spans_by_speaker, embedder=self.embedder, limits=self.config.voiceprints
        )
        return DiarizationResult(
            turns=tuple(sorted(Turn(span, label) for label, spans in spans_by_speaker.items() for span in spans)),
            overlaps=tuple(overlaps_of([span for spans in spans_by_speaker.values() for span in spans])),
            speakers=tuple(
                DiarizedSpeaker(
                    label=label,
                    speech_s=sum(span.duration_s for span in spans),
                    voiceprint=voiceprints.get(label),
                )
                for label, spans in spans_by_speaker.items()
            ),
            duration_s=waveform.duration_s,
            model_fingerprint=self.embedder.fingerprint,
        )

    def timeline(self, heard: WindowedSpeech, bounds: SpeakerBounds, *, end_s: float) -> dict[str, list[Span]]:
        """What was heard -> the spans of S0, S1, .. in order of first turn. No model runs here."""
        if not len(heard.voices.vectors):
            return {}
        num_windows, _, num_local = heard.active.shape
        centroids = find_speakers(heard.voices, bounds, self.config.clustering)
        assigned = assign_speakers(heard.voices, centroids, num_windows=num_windows, num_local=num_local)
        votes = vote_speakers(heard.active, heard.starts, assigned, num_speakers=len(centroids))
        frames = choose_speakers(votes, count_speakers(heard.active, heard.starts))
        spans = [self._spans(column, end_s=end_s) for column in frames.T]
        return {f"S{rank}": found for rank, found in enumerate(sorted(found for found in spans if found))}

    def _spans(self, frames: BoolArray, *, end_s: float) -> list[Span]:
        spans = spans_of(frames, self.listener.grid, end_s=end_s)
        return smooth(spans, min_gap_s=self.config.min_gap_s, min_turn_s=self.config.min_turn_s)


def speaker_bounds(
    num_speakers: int | None, min_speakers: int | None, *, max_speakers: int | None, config: DiarizationConfig
) -> SpeakerBounds:
    """The bounds a caller's wishes come to. Raises InvalidRequestError naming the field at fault."""
    wishes = {"num_speakers": num_speakers, "min_speakers": min_speakers, "max_speakers": max_speakers}
    for name, value in wishes.items():
        if value is not None and value < 1:
            raise InvalidRequestError(f"{name} must be at least 1, got {value}; leave it out when unknown", field=name)
    for name in ("num_speakers", "min_speakers"):
        if (wishes[name] or 1) > config.speaker_limit:
            message = f"{name} must be at most {config.speaker_limit}, got {wishes[name]}"
            raise InvalidRequestError(message, field=name)
    if num_speakers is not None and (min_speakers is not None or max_speakers is not None):
        message = "num_speakers is exact: leave out min_speakers and max_speakers"
        raise InvalidRequestError(message, field="num_speakers")
    fewest = num_speakers or min_speakers or 1
    most = num_speakers or max_speakers or max(config.max_speakers, fewest)
    if fewest > most:
        message = f"min_speakers {fewest} is more than max_speakers {most}; swap them"
        raise InvalidRequestError(message, field="min_speakers")
    return SpeakerBounds(fewest=fewest, most=min(most, config.speaker_limit))
