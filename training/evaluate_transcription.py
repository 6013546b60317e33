"""Scores transcripts of any system against references, recording by recording, overall and by group, with intervals."""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from svc.errors import InvalidRequestError
from training.data.manifest import opened
from training.data.spoken_text import spoken_words
from training.data.transcripts import Transcript, TranscriptTurn, TranscriptWord, spread_words
from training.metrics.bootstrap import Figure
from training.metrics.resampling import FEW_RECORDINGS, rate_figure
from training.metrics.transcription import (
    COLLAR_S,
    Delays,
    TranscriptionErrors,
    WordErrors,
    delay_percentile,
    median_distance,
    share_early,
    transcription_errors,
)
from training.report_json import figure_json

Measure = Callable[[Sequence[TranscriptionErrors]], Figure]


def _word_error_rate(of: Callable[[TranscriptionErrors], WordErrors]) -> Measure:
    return lambda errors: rate_figure([of(one).errors for one in errors], [of(one).words for one in errors])


def _delay(
    of: Callable[[TranscriptionErrors], Delays], figure: Callable[[Sequence[Sequence[float]]], Figure]
) -> Measure:
    return lambda errors: figure([of(one).seconds for one in errors])


P50, P90 = (partial(delay_percentile, percent=percent) for percent in (50, 90))

# Rates and shares are fractions, the rest seconds.
MEASURES: dict[str, Measure] = {
    "orc_wer": _word_error_rate(lambda errors: errors.orc),
    "cp_wer": _word_error_rate(lambda errors: errors.cp),
    "tcp_wer": _word_error_rate(lambda errors: errors.tcp),
    "turn_count_accuracy": lambda errors: rate_figure(
        [one.turns.exact for one in errors], [one.turns.recordings for one in errors]
    ),
    "start_latency_p50_s": _delay(lambda errors: errors.start_latency, P50),
    "start_latency_p90_s": _delay(lambda errors: errors.start_latency, P90),
    "start_early_share": _delay(lambda errors: errors.start_latency, share_early),
    "end_latency_p50_s": _delay(lambda errors: errors.end_latency, P50),
    "end_latency_p90_s": _delay(lambda errors: errors.end_latency, P90),
    "end_early_share": _delay(lambda errors: errors.end_latency, share_early),
    "word_latency_p50_s": _delay(lambda errors: errors.word_latency, P50),
    "word_latency_p90_s": _delay(lambda errors: errors.word_latency, P90),
    "word_start_error_s": _delay(lambda errors: errors.word_start, median_distance),
    "word_end_error_s": _delay(lambda errors: errors.word_end, median_distance),
}
FRACTIONS = frozenset({"orc_wer", "cp_wer", "tcp_wer", "turn_count_accuracy", "start_early_share", "end_early_share"})


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TranscriptionSummary:
    """What some recordings say, and how much it rests on."""

    errors: TranscriptionErrors
    figures: Mapping[str, Figure]

    @property
    def recordings(self) -> int:
        return self.errors.turns.recordings

    @property
    def too_small(self) -> bool:
        return self.recordings < FEW_RECORDINGS

    def as_json(self) -> dict[str, Any]:
        """Counts, then each measure as value and ci95; null = cannot be measured here."""
        return {
            "n_recordings": self.recordings,
            "n_words": self.errors.orc.words,
            "n_turns": self.errors.turns.reference,
            "n_turns_found": self.errors.turns.hypothesis,
            "n_orc_upper_bounds": self.errors.orc_bounds,
            "counts": {name: asdict(getattr(self.errors, name)) for name in ("orc", "cp", "tcp")},
            **{name: figure_json(figure) for name, figure in self.figures.items()},
            "too_small": self.too_small,
        }


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TranscriptionEvaluation:
    """One system over one set of recordings."""

    system: str
    overall: TranscriptionSummary
    by_group: Mapping[str, Mapping[str, TranscriptionSummary]]  # column -> value -> summary
    silent: tuple[str, ...]  # recordings of which the system said nothing

    def as_json(self) -> dict[str, Any]:
        return {
            "system": self.system,
            "recordings_without_words": list(self.silent),
            "overall": self.overall.as_json(),
            "by_group": {
                column: {value: summary.as_json() for value, summary in groups.items()}
                for column, groups in self.by_group.items()
            },
        }


def evaluate_transcripts(
    references: Mapping[str, Transcript],
    hypotheses: Mapping[str, Transcript],
    *,
    system: str,
    groups: Mapping[str, Mapping[str, str]] | None = None,
    collar_s: float = COLLAR_S,
) -> TranscriptionEvaluation:
    """Both sides as spoken words first. A recording without a hypothesis counts as one in which nothing was heard.

    `groups` is column -> recording -> value. Raises InvalidRequestError for no reference, or a hypothesis without one.
    """
    _check(references, hypotheses)
    errors = {
        name: transcription_errors(as_spoken(turns), as_spoken(hypotheses.get(name, ())), collar_s=collar_s)
        for name, turns in references.items()
    }
    return TranscriptionEvaluation(
        system=system,
        overall=summarise([*errors.values()]),
        by_group={column: dict(_by_value(errors, values)) for column, values in (groups or {}).items()},
        silent=tuple(name for name in references if not any(turn.words for turn in hypotheses.get(name, ()))),
    )


def summarise(errors: Sequence[TranscriptionErrors]) -> TranscriptionSummary:
    """All measures with 95 % percentile intervals over recordings."""
    return TranscriptionSummary(
        errors=sum(errors, TranscriptionErrors.zero),
        figures={name: measure(errors) for name, measure in MEASURES.items()},
    )


def as_spoken(turns: Transcript) -> Transcript:
    """Lower case, no punctuation, numbers in words: what was said, not how it is written."""
    return tuple(replace(turn, words=tuple(_spoken(turn))) for turn in turns)


def read_groups(path: Path) -> dict[str, dict[str, str]]:
    """A CSV with a column `recording` -> column -> recording -> value. Raises InvalidRequestError."""
    with opened(path, "groups") as file:
        reader = csv.DictReader(file)
        names, rows = reader.fieldnames or (), list(reader)
    if "recording" not in names:
        there = ", ".join(names) or "none"
        raise InvalidRequestError(f"{path} has no column `recording`; has {there}", field="groups")
    columns = [name for name in names if name != "recording"]
    return {name: {row["recording"]: row[name] or "" for row in rows} for name in columns}


def _spoken(turn: TranscriptTurn) -> list[TranscriptWord]:
    return [
        replace(spoken, said_at_s=word.said_at_s)
        for word in turn.words
        for spoken in spread_words(spoken_words(word.text), word.start_s, word.end_s)
    ]


def _by_value(
    errors: Mapping[str, TranscriptionErrors], value_of: Mapping[str, str]
) -> list[tuple[str, TranscriptionSummary]]:
    values = {name: value_of.get(name, "") for name in errors}
    return [
        (value or "(unknown)", summarise([errors[name] for name in errors if values[name] == value]))
        for value in sorted(set(values.values()))
    ]


def _check(references: Mapping[str, Transcript], hypotheses: Mapping[str, Transcript]) -> None:
    if not references:
        raise InvalidRequestError("the references hold no recording", field="references")
    strangers = sorted(hypotheses.keys() - references.keys())
    if strangers:
        named = ", ".join(strangers[:5])
        raise InvalidRequestError(f"{len(strangers)} recordings have no reference: {named}", field="hypotheses")
