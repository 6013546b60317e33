"""Scores a trial list with a system: each side embedded once, then measures overall and by group, with intervals."""

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from svc.errors import InvalidRequestError
from training.data.segments import SegmentReader
from training.data.trial_list import TrialList
from training.embeddings import VoiceCache, embed_sides
from training.metrics.bootstrap import Figure, ScoredTrials, Summary, summarise
from training.metrics.verification import Array
from training.systems import System

# A column with more values than this holds names, not groups.
MAX_GROUPS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How intervals are made; replicas None = as many as the list allows (replicas_for)."""

    seed: int = 0
    replicas: int | None = None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Evaluation:
    """A list scored by one system. Trials with a side too short to embed have LLR 0: no evidence either way."""

    system: System
    settings: Settings
    trials: TrialList
    scores: Array  # (T,)
    llrs: Array  # (T,)
    unheard: tuple[str, ...]  # sides without enough speech
    overall: Summary
    by_group: Mapping[str, Mapping[str, Summary]]  # column -> value -> summary
    passed_over: tuple[str, ...]  # columns with more than MAX_GROUPS values

    def as_json(self) -> dict[str, Any]:
        """The report; rates are fractions, Cllr in bits, null = cannot be measured on these trials."""
        return {
            "system": self.system.name,
            "calibrated": self.system.calibrated,
            "unit": "speaker" if self.trials.has_speakers else "file",
            "seed": self.settings.seed,
            "n_sides": len(self.trials.sides),
            "sides_without_speech": list(self.unheard),
            "columns_passed_over": list(self.passed_over),
            "overall": summary_json(self.overall),
            "by_group": {
                column: {value: summary_json(summary) for value, summary in groups.items()}
                for column, groups in self.by_group.items()
            },
        }


def evaluate(
    trials: TrialList,
    system: System,
    reader: SegmentReader,
    *,
    settings: Settings = Settings(),
    cache: VoiceCache | None = None,
    on_side: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Raises InvalidRequestError when either kind of trial is missing or a file cannot be read."""
    check_both_kinds(trials)
    voices = embed_sides(trials, reader, system.embed, cache=cache, on_side=on_side)
    comparison = system.compare(voices, trials.enrolment, trials.test)
    unheard = ~(voices.heard[trials.enrolment] & voices.heard[trials.test])
    llrs = np.where(unheard, 0.0, comparison.llrs)
    units = trials.unit_of_side
    columns = {name: values for name, values in trials.groups.items() if len(np.unique(values)) <= MAX_GROUPS}
    scored = ScoredTrials(
        llrs=llrs, target=trials.target, enrolment_unit=units[trials.enrolment], test_unit=units[trials.test]
    )
    return Evaluation(
        system=system,
        settings=settings,
        trials=trials,
        scores=comparison.scores,
        llrs=llrs,
        unheard=tuple(side for side, heard in zip(trials.sides, voices.heard, strict=True) if not heard),
        overall=summarise(scored, replicas=settings.replicas, seed=settings.seed),
        by_group={name: dict(_groups(scored, values, settings)) for name, values in columns.items()},
        passed_over=tuple(trials.groups.keys() - columns.keys()),
    )


def check_both_kinds(trials: TrialList) -> None:
    """Raises InvalidRequestError for an empty list, or one of targets or nontargets alone."""
    if not len(trials):
        raise InvalidRequestError("the trial list is empty", field="trials")
    if trials.target.all() or not trials.target.any():
        present, missing = ("target", "nontarget") if trials.target.all() else ("nontarget", "target")
        message = f"all {len(trials)} trials are {present} trials: error rates need {missing} trials too"
        raise InvalidRequestError(message, field="trials")


def summary_json(summary: Summary) -> dict[str, Any]:
    """Counts, then each measure as value and ci95, then whether there is too little to go by."""
    return {
        "n_target": summary.n_target,
        "n_nontarget": summary.n_nontarget,
        "n_speakers": summary.n_speakers,
        **{name: figure_json(figure) for name, figure in summary.figures.items()},
        "too_small": summary.too_small,
    }


def write_report(evaluation: Evaluation, folder: Path) -> None:
    """`report.json` and `scores.csv` (score, llr beside each trial), each written beside and renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    trials = evaluation.trials
    header = ("enrolment", "test", "target", "score", "llr")
    columns = (trials.enrolment, trials.test, trials.target, evaluation.scores, evaluation.llrs)
    rows = (
        (trials.sides[enrolment], trials.sides[test], int(target), f"{score:.6f}", f"{llr:.6f}")
        for enrolment, test, target, score, llr in zip(*columns, strict=True)
    )
    _write_csv(folder / "scores.csv", header, rows)
    write_json(folder / "report.json", evaluation.as_json())


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes beside and renames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    beside.replace(path)


def figure_json(figure: Figure) -> dict[str, Any]:
    """The value and its interval; null = cannot be measured, or has no bound."""
    finite = figure.value is not None and np.isfinite(figure.value)
    bounded = figure.ci95 is not None and bool(np.isfinite(figure.ci95).all())
    return {
        "value": figure.value if finite else None,
        "ci95": list(figure.ci95) if figure.ci95 is not None and bounded else None,
    }


def _groups(scored: ScoredTrials, values: npt.NDArray[np.str_], settings: Settings) -> Iterator[tuple[str, Summary]]:
    names, numbers = np.unique(values, return_inverse=True)
    for number, name in enumerate(names.tolist()):
        summary = summarise(scored.select(numbers == number), replicas=settings.replicas, seed=settings.seed)
        yield name or "(unknown)", summary


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    beside.replace(path)
