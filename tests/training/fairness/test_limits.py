"""The threshold under limits: what trying every score by hand finds, and plain words where there is none."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svc.errors import InvalidRequestError
from training.fairness.limits import OVERALL, Costs, Limits, Trials, choose_threshold, limits_on

FEW_SCORES = st.integers(-3, 3).map(lambda step: step / 2)
BOUNDS = st.sampled_from((0.05, 0.2, 0.34, 0.5, 1.0))
LIMITS = st.builds(
    Limits,
    max_fmr=st.none() | BOUNDS,
    max_worst_fmr=st.none() | BOUNDS,
    max_worst_fnmr=st.none() | BOUNDS,
    max_fnmr_ratio=st.none() | BOUNDS.map(lambda bound: bound + 1),
    max_fmr_difference=st.none() | BOUNDS,
)
COSTS = st.builds(
    Costs,
    prior=st.sampled_from((0.01, 0.5, 0.9)),
    cost_false_accept=st.sampled_from((1.0, 3.0)),
    cost_false_reject=st.sampled_from((1.0, 10.0)),
)


@st.composite
def trials(draw: st.DrawFn) -> Trials:
    """Three groups, each with a few trials of either kind, and ties."""
    sizes = [draw(st.integers(1, 4)) for _ in range(6)]
    group = np.repeat([0, 0, 1, 1, 2, 2], sizes)
    target = np.repeat([False, True] * 3, sizes)
    scores = np.array(draw(st.lists(FEW_SCORES, min_size=len(group), max_size=len(group))))
    return Trials(scores=scores, target=target, groupings={"g": [group == number for number in range(3)]})


def by_hand(trials: Trials, limits: Limits, threshold: float) -> dict[tuple[str, str], float]:
    """What each limit bounds, from nothing but counting."""
    values = {}
    for name, limit in product(("", "g"), limits.given()):
        if limit not in limits_on(name, limits):
            continue
        rates = []
        for mask in [np.ones(len(trials.scores), bool)] if name == OVERALL else trials.groupings["g"]:
            kind = [
                s for s, t, m in zip(trials.scores, trials.target, mask, strict=True) if m and t == ("fnmr" in limit)
            ]
            wrong = [score for score in kind if (score >= threshold) != ("fnmr" in limit)]
            rates.append(len(wrong) / len(kind))
        worst, best = max(rates), min(rates)
        if limit.endswith("ratio"):
            values[name, limit] = 1.0 if worst == best else worst / best if best else float("inf")
        else:
            values[name, limit] = worst - best if limit.endswith("difference") else worst
    return values


@settings(max_examples=150)
@given(trials(), LIMITS, COSTS)
def test_no_score_does_better_than_the_one_chosen(trials: Trials, limits: Limits, costs: Costs) -> None:
    choice = choose_threshold(trials, limits, costs)
    tried = []
    for threshold in [*sorted(set(trials.scores)), 1e9]:
        values = by_hand(trials, limits, threshold)
        excess = max((value / limits.given()[limit] - 1 for (_, limit), value in values.items()), default=0.0)
        tried.append((max(excess, 0.0), float(costs.of(*map(np.asarray, trials.rates_at(threshold))))))
    within = [cost for excess, cost in tried if excess == 0]
    least = min(excess for excess, _ in tried)
    assert choice.feasible == bool(within)
    assert choice.best.cost == min(cost for excess, cost in tried if excess == least)
    assert choice.cheapest.cost == min(cost for _, cost in tried)
    assert choice.best.values == by_hand(trials, limits, choice.best.threshold)


@given(trials(), COSTS)
def test_without_limits_the_cheapest_is_chosen(trials: Trials, costs: Costs) -> None:
    choice = choose_threshold(trials, Limits(), costs)
    assert choice.feasible
    assert choice.best == choice.cheapest


def test_tighter_limits_never_cost_less() -> None:
    random = np.random.default_rng(0)
    target, group = random.random(4_000) < 0.3, random.integers(0, 2, 4_000)
    scores = np.where(target, 2.0 - group, -2.0) + random.normal(0, 1.5, 4_000)
    given = Trials(scores=scores, target=target, groupings={"g": [group == 0, group == 1]})
    choices = [choose_threshold(given, Limits(max_fnmr_ratio=most), Costs()) for most in (9, 2, 1.5, 1.25, 1.1)]
    costs = [choice.best.cost for choice in choices]
    assert costs == sorted(costs)
    assert costs[-1] > costs[0]
    assert all(
        choice.best.values["g", "max_fnmr_ratio"] <= most
        for choice, most in zip(choices, (9, 2, 1.5, 1.25, 1.1), strict=True)
    )


def test_a_threshold_is_a_number_even_where_scores_are_not() -> None:
    scores, target = np.array([-np.inf, 0.0, np.inf, np.inf]), np.array([False, True, True, False])
    assert np.isfinite(
        choose_threshold(Trials(scores=scores, target=target, groupings={}), Limits(), Costs()).best.threshold
    )


@pytest.mark.parametrize(
    "asked", [{"max_fmr": 0.0}, {"max_worst_fnmr": 1.5}, {"max_fnmr_ratio": 0.9}, {"max_fmr": float("nan")}]
)
def test_limits_that_cannot_be_meant_are_refused(asked: dict[str, float]) -> None:
    with pytest.raises(InvalidRequestError, match="max_"):
        Limits(**asked)


@pytest.mark.parametrize(
    ("groupings", "named"), [({}, "need groups"), ({"sex": [np.ones(2, bool)]}, "by sex fewer than two")]
)
def test_limits_on_groups_need_groups(groupings: dict[str, list[np.ndarray]], named: str) -> None:
    given = Trials(scores=np.array([0.0, 1.0]), target=np.array([False, True]), groupings=groupings)
    with pytest.raises(InvalidRequestError, match=named):
        choose_threshold(given, Limits(max_worst_fmr=0.1), Costs())
