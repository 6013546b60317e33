"""Figures as JSON, and files written whole or not at all."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from svc.errors import InvalidRequestError
from svc.whole_file import replacing
from training.fairness.disaggregated import Disaggregated, Index
from training.fairness.gaps import Gap, Pair
from training.metrics.bootstrap import Figure, Summary


def figure_json(figure: Figure) -> dict[str, Any]:
    """The value and its interval; null = cannot be measured, or has no bound, as one edge of an interval may."""
    ends = [_finite(edge) for edge in figure.ci95 or ()]
    return {"value": _finite(figure.value), "ci95": ends if any(end is not None for end in ends) else None}


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None


def read_figure(written: Mapping[str, Any]) -> Figure:
    """What figure_json wrote back to what it was, but for a value or both edges without bound: these are None."""
    if written["ci95"] is None:
        return Figure(written["value"], None)
    low, high = written["ci95"]
    return Figure(written["value"], (-np.inf if low is None else low, np.inf if high is None else high))


def summary_json(summary: Summary) -> dict[str, Any]:
    """Counts, then each measure as value and ci95, then whether there is too little to go by."""
    return {
        "n_target": summary.n_target,
        "n_nontarget": summary.n_nontarget,
        "n_speakers": summary.n_speakers,
        "n_target_speakers": summary.speakers.target,
        "n_nontarget_speakers": summary.speakers.nontarget,
        **{name: figure_json(figure) for name, figure in summary.figures.items()},
        "too_small": summary.too_small,
    }


def gaps_json(result: Disaggregated) -> dict[str, Any]:
    """What lies between the groups of one grouping; see training.fairness.gaps for what each number means."""
    return {
        "compared": [result.grouping.groups[number] for number in result.compared],
        "not_compared": result.not_compared,
        "pairs": result.grouping.pairs.value if result.grouping.pairs else "as listed",
        "n_trials_of_no_group": result.grouping.n_left_out,
        "pooled": {group: dict(members) for group, members in result.grouping.members.items()},
        "measures": {measure: _gap_json(gap, result) for measure, gap in result.gaps.items()},
        **{name: _index_json(index) for name, index in result.indices.items()},
    }


def read_json(path: Path) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Raises OSError, and InvalidRequestError naming the file when it holds something else."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidRequestError(f"{path} is not JSON: {error}", field="report") from error


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes beside and renames."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_text(path: Path, content: str) -> None:
    """Writes beside and renames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        beside.write_text(content, encoding="utf-8")


def _gap_json(gap: Gap, result: Disaggregated) -> dict[str, Any]:
    return {
        "worst": result.name_of(gap.widest.worse),
        "best": result.name_of(gap.widest.better),
        "difference": {**figure_json(gap.widest.difference), "by_chance": gap.difference_by_chance},
        "ratio": figure_json(gap.ratio),
        "std": {**figure_json(gap.std), "by_chance": gap.std_by_chance},
        "p_equal": gap.p_equal,
        "surest": _pair_json(gap.surest, result),
    }


def _pair_json(pair: Pair, result: Disaggregated) -> dict[str, Any]:
    return {
        "worse": result.name_of(pair.worse),
        "better": result.name_of(pair.better),
        "difference": figure_json(pair.difference),
        "excludes_zero": pair.sure,
    }


def _index_json(index: Index) -> dict[str, Any]:
    return {**figure_json(index.figure), "by_chance": index.by_chance}
