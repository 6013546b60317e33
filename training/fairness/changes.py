"""What changes between two systems scored on the same trials: paired, on the same draws of the same people.

What is hard for both does not count as a difference. Below zero = the second is better (or fairer).
"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from svc.errors import InvalidRequestError
from training.evaluate import Evaluation
from training.fairness.disaggregated import Disaggregated, garbe_of_rates
from training.fairness.gaps import Statistic, deviation, difference
from training.metrics.bootstrap import RATES, Figure, Measured, Summary, figure_of, reach_of, unless_stuck
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
        "overall": _measures_json(before.measured, after.measured, 0, before.overall),
        "by_group": {
            one.grouping.name: {
                group: _measures_json(one.measured, other.measured, number, one.by_group[group])
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


def _measures_json(before: Measured, after: Measured, group: int, summary: Summary) -> dict[str, Any]:
    figures = {}
    for column, name in enumerate(MEASURES):
        sides = ((of.values[group, column], of.draws[:, group, column]) for of in (before, after))
        figures[name] = _change(np.asarray, *sides, n_people=summary.speakers.behind(name) if name in RATES else None)
    return {name: figure_json(figure) for name, figure in figures.items()}


def _gap_changes(before: Disaggregated, after: Disaggregated) -> Iterator[tuple[str, dict[str, Any]]]:
    if not before.gaps or not after.gaps:
        return
    for measure in (name for name in MEASURES if name in before.gaps and name in after.gaps):
        sides = before.column(measure), after.column(measure)
        yield measure, {name: figure_json(_change(spread, *sides)) for name, spread in SPREADS.items()}
    if before.indices and after.indices:
        yield "garbe", figure_json(_change(garbe_of_rates, before.at_threshold(), after.at_threshold()))


def _change(
    statistic: Statistic, before: tuple[Array, Array], after: tuple[Array, Array], *, n_people: int | None = None
) -> Figure:
    """Where draws move neither side, the change of a rate of `n_people` is as uncertain as so few leave it, and that of
    anything else has no interval.
    """
    (old, old_draws), (new, new_draws) = ((float(statistic(of[0])), statistic(of[1])) for of in (before, after))
    change = figure_of(new - old, new_draws - old_draws)
    moved = unless_stuck(figure_of(old, old_draws)).ci95 or unless_stuck(figure_of(new, new_draws)).ci95
    if change.ci95 is None or moved:
        return change
    if n_people is None:
        return Figure(change.value, None)
    reach = float(reach_of(np.array(n_people)))
    return Figure(new - old, (max(new - old - reach, -1.0), min(new - old + reach, 1.0)))
