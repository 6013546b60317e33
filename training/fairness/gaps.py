"""How unequal groups are: differences, ratios and spreads of a measure, and how much of it chance alone would make.

Gaps between per-group EER hide disparity, for each group gets a threshold of its own; FMR and FNMR at one threshold are
what people meet. FDR: de Freitas Pereira and Marcel 2022 (arXiv 2011.02395); GARBE: Howard et al. 2022, both as we read
them. A gap is never below zero, so a percentile interval of it never holds zero: intervals of differences are
simultaneous over all pairs of groups (Tukey's, with the bootstrap for the distribution), other statistics stand beside
`by_chance`, the value that groups alike would exceed one time in twenty. A group in which nobody errs looks certain to
the bootstrap, and is given the uncertainty that so few people and trials leave (`unproven`).
Letters: R draws, G groups. All measures are better when smaller; statistics work on the last axis.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from training.metrics.bootstrap import Figure, figure_of, reach_of, unless_stuck
from training.metrics.verification import Array

Statistic = Callable[[Array], Array]
# Weight of FMR beside FNMR in FDR and GARBE.
ALPHA = 0.5
# Of the draws: where fewer measured every group, what they say of gaps is of the lucky ones.
LEAST_KEPT = 0.9


def difference(rates: Array) -> Array:
    """(.., G) -> (..) worst minus best."""
    return np.asarray(rates.max(axis=-1) - rates.min(axis=-1))


def ratio(rates: Array) -> Array:
    """(.., G) -> (..) worst over best; infinite when the best is 0 and the worst is not, 1 when both are."""
    return worst_over_best(rates.max(axis=-1), rates.min(axis=-1))


def worst_over_best(worst: Array, best: Array) -> Array:
    """(..) rates of two groups -> (..) as `ratio` has it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(worst == best, 1.0, worst / best)


def deviation(rates: Array) -> Array:
    """(.., G) -> (..) standard deviation of exactly these groups (population form)."""
    return np.asarray(rates.std(axis=-1))


def gini(rates: Array) -> Array:
    """(.., G) -> (..) Gini coefficient with the small-sample factor G / (G - 1): 0 = alike, 1 = one bears all."""
    size = rates.shape[-1]
    if size < 2:
        return np.zeros(rates.shape[:-1])
    # Over ordered values the sum of |x_i - x_j| over all pairs is linear.
    rank = 2 * np.arange(1, size + 1) - size - 1
    spread = 2 * (np.sort(rates, axis=-1) * rank).sum(axis=-1)
    total = rates.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total == 0, 0.0, spread / (2 * (size - 1) * total))


def fdr(fmr: Array, fnmr: Array, alpha: float = ALPHA) -> Array:
    """(.., G) each -> (..) fairness discrepancy rate: 1 = alike at this threshold."""
    return 1 - (alpha * difference(fmr) + (1 - alpha) * difference(fnmr))


def garbe(fmr: Array, fnmr: Array, alpha: float = ALPHA) -> Array:
    """(.., G) each -> (..) Gini aggregation rate of biometric equitability: 0 = alike at this threshold."""
    return alpha * gini(fmr) + (1 - alpha) * gini(fnmr)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One group served worse than another (numbers), and the simultaneous interval of the difference."""

    worse: int
    better: int
    difference: Figure

    @property
    def sure(self) -> bool:
        """Whether the interval excludes zero."""
        return self.difference.ci95 is not None and self.difference.ci95[0] > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """`widest`: worst and best group as measured. `surest`: the pair least likely to be chance, often of larger groups.
    `p_equal`: how often groups that are all alike would look at least as different as the surest pair.
    """

    widest: Pair
    surest: Pair
    ratio: Figure
    std: Figure
    difference_by_chance: float | None
    std_by_chance: float | None
    p_equal: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """(.., G) people and trials that a rate rests on."""

    n_people: Array
    n_trials: Array


def gap_of(values: Array, draws: Array, behind: Behind | None = None) -> Gap:
    """(G,) a measure and (R, G) draws of it, G >= 2, no NaN among the values; draws that lost a group are not used,
    and where these are too many there are no intervals.

    `behind` (G,), of a rate alone: for groups in which nobody errs, or everybody. Of other measures that no draw moves
    in some group there are no intervals.
    """
    draws = kept(draws)
    if behind is None and (draws == draws[:1]).all(axis=0).any():
        draws = draws[:0]
    enough = len(draws) > 1
    noisy = unproven(values, draws, behind) if behind and enough else draws
    pairs = _Pairs(values, noisy)
    order = np.argsort(values, kind="stable")
    widest = pairs.between(int(order[-1]), int(order[0]))
    return Gap(
        widest=widest,
        surest=pairs.surest() or widest,
        ratio=statistic_figure(ratio, values, draws),
        std=statistic_figure(deviation, values, draws),
        difference_by_chance=by_chance(difference, values, noisy) if enough else None,
        std_by_chance=by_chance(deviation, values, noisy) if enough else None,
        p_equal=pairs.p_equal() if enough else None,
    )


def kept(draws: Array) -> Array:
    """(R, .., G) -> those that measured all; none when too many did not."""
    whole = ~np.isnan(draws).any(axis=tuple(range(1, draws.ndim)))
    return draws[whole] if whole.sum() >= LEAST_KEPT * len(draws) else draws[:0]


def unproven(values: Array, draws: Array, behind: Behind) -> Array:
    """(.., G) rates, draws (R, .., G) -> draws in which rates that none moves off 0 or 1 vary too, the rest as drawn.

    Such a rate gets normal noise: of people who differ as those of the other groups do, never less than their trials
    alone would make at the others' rate, nor more than Clopper and Pearson's interval of so few people.
    """
    variance = draws.var(axis=0)  # (.., G)
    stuck = ((values == 0) | (values == 1)) & (variance == 0)
    size = np.maximum((~stuck).sum(axis=-1, keepdims=True), 1)
    of_one = (variance * behind.n_people).sum(axis=-1, keepdims=True) / size  # (.., 1)
    rate = np.where(stuck, 0, values).sum(axis=-1, keepdims=True) / size
    seen = np.sqrt(np.maximum(of_one / behind.n_people, rate * (1 - rate) / behind.n_trials))  # (.., G)
    widest = reach_of(behind.n_people) / norm.ppf(0.975)
    error = np.where(stuck.all(axis=-1, keepdims=True), widest, np.minimum(seen, widest))
    # Of its own, so that no other draw changes; always the same, so that an audit can be repeated.
    noise = np.random.default_rng(0).normal(size=draws.shape)
    return np.where(stuck, values + error * noise, draws)


def statistic_figure(statistic: Statistic, values: Array, draws: Array) -> Figure:
    """Percentiles over draws; read it beside by_chance, for spreads are biased upward. None where no draw moves it."""
    value = float(statistic(values))
    return unless_stuck(figure_of(value, statistic(draws))) if len(draws) > 1 else Figure(value, None)


def by_chance(statistic: Statistic, values: Array, draws: Array) -> float:
    """What (.., G) groups alike, each at the mean, with the noise of their draws (R, .., G), exceed one time in 20."""
    alike = np.maximum(draws - values + values.mean(axis=-1, keepdims=True), 0)
    return float(np.percentile(statistic(alike), 95))


class _Pairs:
    """All pairs of groups: standard errors, and the 95 % point of the largest studentised deviation."""

    def __init__(self, values: Array, draws: Array) -> None:
        self.values = values
        noise = draws - values  # (R, G)
        self.error = np.zeros((len(values), len(values)))
        self.largest = np.zeros(len(draws))
        for group in range(len(values)) if len(draws) > 1 else ():
            apart = noise[:, group, None] - noise  # (R, G)
            self.error[group] = apart.std(axis=0)
            self.largest = np.maximum(self.largest, self._studentised(np.abs(apart), self.error[group]).max(axis=1))
        self.reach = float(np.percentile(self.largest, 95)) if len(draws) > 1 else None

    def between(self, worse: int, better: int) -> Pair:
        gap = float(self.values[worse] - self.values[better])
        if self.reach is None:
            return Pair(worse=worse, better=better, difference=Figure(gap, None))
        margin = self.reach * float(self.error[worse, better])
        return Pair(worse=worse, better=better, difference=Figure(gap, (gap - margin, gap + margin)))

    def surest(self) -> Pair | None:
        """None where nothing varies, or all are equal: no pair is surer than another."""
        apart = self._studentised(self.values[:, None] - self.values, self.error)
        worse, better = divmod(int(np.argmax(apart)), len(self.values))
        return self.between(worse, better) if apart.max() > 0 else None

    def p_equal(self) -> float:
        seen = float(self._studentised(self.values[:, None] - self.values, self.error).max())
        return float((1 + np.sum(self.largest >= seen)) / (1 + len(self.largest)))

    @staticmethod
    def _studentised(apart: Array, error: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(error > 0, apart / error, 0.0)
