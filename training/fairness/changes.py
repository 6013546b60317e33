"""What changes between two systems scored on the same trials: paired, on the same draws of the same people.

What is hard for both does not count as a difference. Below zero = the second is better (or fairer).
"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from svc.errors import InvalidRequestError
from training.evaluate import Evaluation
from training.fairness.disaggregated import Disaggregated, garbe_of_rates
from training.fairness.gaps import Statistic, deviation, difference
from training.metrics.bootstrap import Figure, Measured, figure_of
from training.metrics.score_bins import MEASURES
from training.metrics.verification import Array
from training.report_json import figure_json

SPREADS: dict[str, Statistic] = {"difference": difference, "std": deviation}


def changes_json(before: Evaluation, after: Evaluation) -> dict[str, Any]:
    """After minus before: overall, by group, and of the gaps. Raises InvalidRequestError unless they can be paired."""
    _check(before, after)
    results = [(before.disaggregated[name], after.disaggregated[name]) for name in before.disaggregated]
    return {
        "before": before.system.name,
        "after": after.system.name,
        "before_threshold": asdict(before.threshold),
        "overall": _measures_json(before.measured, after.measured, 0),
        "by_group": {
            one.grouping.name: {
                group: _measures_json(one.measured, other.measured, number)
                for number, group in enumerate(one.grouping.groups)
            }
            for one, other in results
        },
        "gaps": {one.grouping.name: dict(_gap_changes(one, other)) for one, other in results},
    }


def _check(before: Evaluation, after: Evaluation) -> None:
    same = before.trials is after.trials and before.settings.seed == after.settings.seed
    if not same or before.measured.draws.shape != after.measured.draws.shape:
        raise InvalidRequestError("paired comparison needs the same trials, seed and replicas", field="against")


def _measures_json(before: Measured, after: Measured, group: int) -> dict[str, Any]:
    values, draws = after.values[group] - before.values[group], after.draws[:, group] - before.draws[:, group]
    return {
        name: figure_json(figure_of(float(values[column]), draws[:, column])) for column, name in enumerate(MEASURES)
    }


def _gap_changes(before: Disaggregated, after: Disaggregated) -> Iterator[tuple[str, dict[str, Any]]]:
    if not before.gaps or not after.gaps:
        return
    for measure in (name for name in MEASURES if name in before.gaps and name in after.gaps):
        sides = before.column(measure), after.column(measure)
        yield measure, {name: figure_json(_change(spread, *sides)) for name, spread in SPREADS.items()}
    if before.indices and after.indices:
        yield "garbe", figure_json(_change(garbe_of_rates, before.at_threshold(), after.at_threshold()))


def _change(statistic: Statistic, before: tuple[Array, Array], after: tuple[Array, Array]) -> Figure:
    value = float(statistic(after[0]) - statistic(before[0]))
    return figure_of(value, statistic(after[1]) - statistic(before[1]))
