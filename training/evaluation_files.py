"""The files of an evaluation: its report for programs, and each trial with what was said of it."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from svc.whole_file import replacing
from training.data.trial_list import REFUSED
from training.evaluate import Evaluation
from training.metrics.verification import Array
from training.report_json import write_json


def write_report(evaluation: Evaluation, folder: Path, *, report: Mapping[str, Any] | None = None) -> None:
    """`report.json` (its own, or that with more in it) and `scores.csv`, each written beside and renamed.

    The latter is the list, people and groups included, with score, llr and, where trials were refused, which:
    training.data.score_list reads it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    listed = evaluation.trials.table()
    judged = {"score": evaluation.scores} | ({"llr": evaluation.llrs} if evaluation.system.calibrated else {})
    refused = {REFUSED: evaluation.refused.astype(int).tolist()} if evaluation.refused.any() else {}
    numerals = (_numerals(column) for column in judged.values())
    rows = zip(*listed.values(), *numerals, *refused.values(), strict=True)
    _write_csv(folder / "scores.csv", (*listed, *judged, *refused), rows)
    write_json(folder / "report.json", evaluation.as_json() if report is None else report)


def _numerals(column: Array) -> Iterator[str]:
    return (f"{number:.9g}" for number in column)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with replacing(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
