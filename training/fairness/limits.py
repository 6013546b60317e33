"""The one threshold that costs least within limits on errors and on how unequal groups bear them.

Exact: every score is tried as the threshold, not a grid. Limits are judged on the trials as they are; whether they hold
on other people is for the bootstrap to say. All groups share the threshold: one of its own for each group would decide
by who somebody is said to be, and would have to know it of everybody who calls.
Letters: T trials, K thresholds, G groups.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from svc.errors import InvalidRequestError
from svc.scoring.policy import threshold_of
from training.fairness.gaps import worst_over_best
from training.metrics.verification import Array, Mask, error_rates

FMR, FNMR = range(2)
OVERALL = ""
"""The grouping of limits on everybody together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """At most so much. Rates and differences are fractions of 1, ratios of the worst group to the best; None = any."""

    max_fmr: float | None = None
    max_fnmr: float | None = None
    max_worst_fmr: float | None = None
    max_worst_fnmr: float | None = None
    max_fmr_ratio: float | None = None
    max_fnmr_ratio: float | None = None
    max_fmr_difference: float | None = None
    max_fnmr_difference: float | None = None

    def __post_init__(self) -> None:
        for name, most in self.given().items():
            least, below = (1.0, np.inf) if name.endswith("ratio") else (0.0, 1.0)
            # Written so that NaN fails too.
            if not least <= most <= below or most == 0:
                span = "at least 1" if least else "above 0 and at most 1"
                raise InvalidRequestError(f"{name} must be {span}, got {most}", field=name)

    def given(self) -> dict[str, float]:
        """Name -> the most that is allowed."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: float(value) for name, value in values.items() if value is not None}

    @property
    def of_groups(self) -> bool:
        """Whether any of them is about groups."""
        return any(name not in EVERYBODY for name in self.given())


EVERYBODY = ("max_fmr", "max_fnmr")


def measure_of(limit: str) -> int:
    """FMR or FNMR."""
    return FNMR if "fnmr" in limit else FMR


def spread(limit: str, worst: Array, best: Array) -> Array:
    """What a limit bounds, from the rates of the worst and the best group (or of everybody, twice)."""
    if limit.endswith("difference"):
        return worst - best
    if limit.endswith("ratio"):
        return worst_over_best(worst, best)
    return worst


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Of the two errors, and how likely it is that the two voices are one person."""

    prior: float = 0.5
    cost_false_accept: float = 1.0
    cost_false_reject: float = 1.0

    def __post_init__(self) -> None:
        threshold_of(self.prior, self.cost_false_accept, self.cost_false_reject)

    def of(self, fmr: Array, fnmr: Array) -> Array:
        """(..) rates -> (..) expected cost; 1 = that of the better of accepting everybody and nobody."""
        alarm, miss = (1 - self.prior) * self.cost_false_accept, self.prior * self.cost_false_reject
        return np.asarray((alarm * fmr + miss * fnmr) / min(alarm, miss))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Trials:
    """(T,) decision scores and labels; grouping -> (T,) masks of the groups that are compared."""

    scores: Array
    target: Mask
    groupings: Mapping[str, Sequence[Mask]]

    def masks(self, grouping: str) -> Sequence[Mask]:
        """Of a grouping's groups; OVERALL has one, everybody."""
        return [np.ones(len(self.scores), bool)] if grouping == OVERALL else self.groupings[grouping]

    def rates_at(self, threshold: float, mask: Mask | None = None) -> tuple[float, float]:
        """FMR and FNMR of everybody or of a group."""
        inside = slice(None) if mask is None else mask
        scores, target = self.scores[inside], self.target[inside]
        return error_rates(scores[target], scores[~target], threshold)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A threshold and all that is asked about it; `values`: (grouping, limit) -> what the limit bounds."""

    threshold: float
    fmr: float
    fnmr: float
    cost: float
    values: Mapping[tuple[str, str], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """`cheapest` without limits; `best` within them, or if there is none, the nearest to them: the one whose most
    exceeded limit is exceeded least, as a share of it.
    """

    cheapest: Point
    best: Point
    feasible: bool


def choose_threshold(trials: Trials, limits: Limits, costs: Costs) -> Choice:
    """Of equally good thresholds the lowest. Raises InvalidRequestError where limits on groups have none to compare."""
    _check_groups(trials, limits)
    search = _Search(trials)
    cost = costs.of(*search.rates(None))
    feasible, excess = np.ones(len(cost), bool), np.zeros(len(cost))
    for grouping in (OVERALL, *trials.groupings):
        worst, best = search.extremes(grouping)
        for limit, most in limits_on(grouping, limits).items():
            measure = measure_of(limit)
            value = spread(limit, worst[measure], best[measure])
            feasible &= value <= most
            np.maximum(excess, value / most - 1, out=excess)
    allowed = feasible if feasible.any() else excess == excess.min()
    cheapest, chosen = int(np.argmin(cost)), int(np.argmin(np.where(allowed, cost, np.inf)))
    points = [point_at(float(search.thresholds[number]), trials, limits, costs) for number in (cheapest, chosen)]
    return Choice(cheapest=points[0], best=points[1], feasible=bool(feasible.any()))


def limits_on(grouping: str, limits: Limits) -> dict[str, float]:
    """Those on everybody, or those on groups."""
    return {name: most for name, most in limits.given().items() if (name in EVERYBODY) == (grouping == OVERALL)}


def point_at(threshold: float, trials: Trials, limits: Limits, costs: Costs) -> Point:
    """What one threshold gives."""
    fmr, fnmr = trials.rates_at(threshold)
    values = {}
    for grouping in (OVERALL, *trials.groupings):
        rates = np.array([trials.rates_at(threshold, mask) for mask in trials.masks(grouping)])  # (G, 2)
        for limit in limits_on(grouping, limits):
            of_measure = rates[:, measure_of(limit)]
            values[grouping, limit] = float(spread(limit, of_measure.max(), of_measure.min()))
    cost = float(costs.of(np.asarray(fmr), np.asarray(fnmr)))
    return Point(threshold=threshold, fmr=fmr, fnmr=fnmr, cost=cost, values=values)


class _Search:
    """Scores sorted once; of every group the rates at all thresholds are two passes over counts."""

    def __init__(self, trials: Trials) -> None:
        finite = np.unique(trials.scores[np.isfinite(trials.scores)])
        if not len(finite):
            raise InvalidRequestError("no score is finite: there is nothing to put a threshold between", field="scores")
        self.trials = trials
        # The last accepts nobody (whose score is finite).
        self.thresholds = np.append(finite, np.nextafter(finite[-1], np.inf))  # (K,)
        # A trial is accepted at the thresholds before this one.
        self.place = np.searchsorted(self.thresholds, trials.scores, side="right")  # (T,)

    def rates(self, mask: Mask | None) -> Array:
        """(2, K) FMR and FNMR of everybody or of a group."""
        inside = slice(None) if mask is None else mask
        place, target = self.place[inside], self.trials.target[inside]
        size = len(self.thresholds)
        rejected = [np.cumsum(np.bincount(place[target == kind], minlength=size + 1))[:size] for kind in (False, True)]
        totals = [np.sum(~target), np.sum(target)]
        return np.stack([(totals[0] - rejected[0]) / totals[0], rejected[1] / totals[1]])

    def extremes(self, grouping: str) -> tuple[Array, Array]:
        """(2, K) rates of the worst group at each threshold, and of the best."""
        worst, best = np.zeros((2, len(self.thresholds))), np.ones((2, len(self.thresholds)))
        for mask in self.trials.masks(grouping):
            rates = self.rates(mask)
            np.maximum(worst, rates, out=worst)
            np.minimum(best, rates, out=best)
        return worst, best


def _check_groups(trials: Trials, limits: Limits) -> None:
    if not limits.of_groups:
        return
    if not trials.groupings:
        raise InvalidRequestError("limits on groups need groups: --people FILE --by sex", field="by")
    for name, groups in trials.groupings.items():
        if len(groups) < 2:
            message = f"by {name} fewer than two groups are known and large enough to set limits on"
            raise InvalidRequestError(message, field="by")
