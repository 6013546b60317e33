"""Diarization error rate: missed speech, false alarm and speaker confusion over the reference's speech."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pyannote.core import Annotation, Segment, Timeline
from pyannote.metrics.diarization import DiarizationErrorRate

from svc.types import Span, Turn
from training.metrics.additive import Additive


@dataclass(frozen=True, slots=True, kw_only=True)
class DiarizationErrors(Additive):
    """Seconds of each kind of error; recordings add, so the rate of a sum weighs them by their speech."""

    zero: ClassVar["DiarizationErrors"]

    missed_s: float = 0.0
    false_alarm_s: float = 0.0
    confusion_s: float = 0.0
    total_s: float = 0.0
    recordings: int = 0

    @property
    def error_s(self) -> float:
        return self.missed_s + self.false_alarm_s + self.confusion_s

    @property
    def rate(self) -> float:
        """DER as a fraction; may exceed 1. No reference speech: 0 without errors, else infinite."""
        if self.total_s == 0:
            return 0.0 if self.error_s == 0 else float("inf")
        return self.error_s / self.total_s


DiarizationErrors.zero = DiarizationErrors()


def diarization_errors(
    reference: Sequence[Turn], hypothesis: Sequence[Turn], *, scored: Span, collar_s: float = 0.0
) -> DiarizationErrors:
    """Errors within `scored` under the best one-to-one mapping of labels; overlapped speech counts in full.

    `collar_s` is forgiven on each side of a reference boundary (Fiscus et al., the Rich Transcription evaluations);
    pyannote.metrics does the counting.
    """
    metric = DiarizationErrorRate(collar=2 * collar_s, skip_overlap=False)
    uem = Timeline([Segment(scored.start_s, scored.end_s)])
    counts = metric(_annotation(reference), _annotation(hypothesis), uem=uem, detailed=True)
    return DiarizationErrors(
        missed_s=float(counts["missed detection"]),
        false_alarm_s=float(counts["false alarm"]),
        confusion_s=float(counts["confusion"]),
        total_s=float(counts["total"]),
        recordings=1,
    )


def _annotation(turns: Sequence[Turn]) -> Annotation:
    annotation = Annotation(uri="recording")
    for track, turn in enumerate(turns):
        annotation[Segment(turn.span.start_s, turn.span.end_s), track] = turn.speaker
    return annotation
