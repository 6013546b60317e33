"""One result for one way of grouping people: overall, by group, and the gaps between the groups.

Groups too small to conclude from (fewer than bootstrap.FEW_UNITS people or FEW_TRIALS behind either kind of error) keep
their figures, are marked, and stand outside the gaps. Letters: T trials, G groups, M measures, R draws.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from training.fairness.gaps import (
    Behind,
    Gap,
    Statistic,
    by_chance,
    fdr,
    gap_of,
    garbe,
    kept,
    statistic_figure,
    unproven,
)
from training.fairness.groups import UNKNOWN, Grouping
from training.metrics.bootstrap import RATES, Figure, Measured, Summary
from training.metrics.score_bins import AT_THRESHOLD, MEASURES, NOT_DRAWN
from training.metrics.scored_trials import ScoredTrials
from training.metrics.verification import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """FDR or GARBE over the compared groups, and its value were they alike."""

    figure: Figure
    by_chance: float | None

    def complement(self) -> "Index":
        """1 minus all of it."""
        value, ci95 = self.figure.value, self.figure.ci95
        figure = Figure(None if value is None else 1 - value, ci95 and (1 - ci95[1], 1 - ci95[0]))
        return Index(figure=figure, by_chance=None if self.by_chance is None else 1 - self.by_chance)


@dataclass(frozen=True, eq=False, kw_only=True)
class Disaggregated:
    """Figures by group and between groups."""

    grouping: Grouping
    overall: Summary
    by_group: Mapping[str, Summary]
    measured: Measured  # of the groups, in order

    @cached_property
    def compared(self) -> tuple[int, ...]:
        """Numbers of the groups the gaps are between."""
        groups = enumerate(self.grouping.groups)
        return tuple(number for number, name in groups if not self._why_not(name))

    @property
    def not_compared(self) -> dict[str, str]:
        """Groups outside the gaps, and why."""
        reasons = {name: self._why_not(name) for name in self.grouping.groups}
        return {name: reason for name, reason in reasons.items() if reason}

    def _why_not(self, group: str) -> str:
        if UNKNOWN in group:
            return "unknown"
        return "too few speakers or trials" if self.by_group[group].too_small else ""

    def column(self, measure: str) -> tuple[Array, Array]:
        """(G,) values and (R, G) draws of the compared groups."""
        number, groups = MEASURES.index(measure), list(self.compared)
        return self.measured.values[groups, number], self.measured.draws[:, groups, number]

    def at_threshold(self) -> tuple[Array, Array]:
        """(2, G) FMR and FNMR and (R, 2, G) draws of the compared groups."""
        (fmr, fmr_draws), (fnmr, fnmr_draws) = (self.column(name) for name in AT_THRESHOLD)
        return np.stack([fmr, fnmr]), np.stack([fmr_draws, fnmr_draws], axis=1)

    @cached_property
    def gaps(self) -> dict[str, Gap]:
        """By measure; none for what cannot be measured, has no bound or no draws; none at all without two groups."""
        return dict(self._gaps()) if len(self.compared) > 1 else {}

    def _gaps(self) -> Iterator[tuple[str, Gap]]:
        for measure in MEASURES:
            values, draws = self.column(measure)
            if measure != NOT_DRAWN and np.isfinite(values).all():
                yield measure, gap_of(values, draws, self._behind(measure) if measure in RATES else None)

    def _behind(self, *measures: str) -> Behind:
        """(G,) what these rates of the compared groups rest on, of several (M, G)."""
        groups = [self.by_group[self.grouping.groups[number]] for number in self.compared]
        return Behind(
            n_people=np.squeeze([[group.speakers.behind(measure) for group in groups] for measure in measures]),
            n_trials=np.squeeze([[group.trials.behind(measure) for group in groups] for measure in measures]),
        )

    @cached_property
    def indices(self) -> dict[str, Index]:
        """FDR and GARBE at the threshold."""
        if not set(AT_THRESHOLD) <= self.gaps.keys():
            return {}
        values, draws = self.at_threshold()
        draws = kept(draws)
        noisy = unproven(values, draws, self._behind(*AT_THRESHOLD)) if len(draws) > 1 else draws
        discrepancy = _index(lambda rates: 1 - _fdr(rates), values, draws, noisy)
        return {"fdr": discrepancy.complement(), "garbe": _index(garbe_of_rates, values, draws, noisy)}

    def worst(self, measure: str) -> str | None:
        """The compared group served worst."""
        gap = self.gaps.get(measure)
        return self.name_of(gap.widest.worse) if gap else None

    def name_of(self, compared: int) -> str:
        """Of a group by its number among the compared."""
        return self.grouping.groups[self.compared[compared]]


def disaggregate(trials: ScoredTrials, grouping: Grouping, measured: Measured, overall: Summary) -> Disaggregated:
    """`measured`: of this grouping's groups. An interval of a rate that is 0 in every draw is that of so few people."""
    by_group = {
        name: measured.summary(number, target=trials.target[grouping.labels == number], speakers=speakers)
        for number, (name, speakers) in enumerate(zip(grouping.groups, grouping.speakers, strict=True))
    }
    return Disaggregated(grouping=grouping, overall=overall, by_group=by_group, measured=measured)


def _fdr(rates: Array) -> Array:
    return fdr(rates[..., 0, :], rates[..., 1, :])


def garbe_of_rates(rates: Array) -> Array:
    """(.., 2, G) as `at_threshold` gives them -> (..)."""
    return garbe(rates[..., 0, :], rates[..., 1, :])


def _index(statistic: Statistic, values: Array, draws: Array, noisy: Array) -> Index:
    """`noisy`: the draws with the uncertainty of groups without errors, for what chance makes."""
    chance = by_chance(statistic, values, noisy) if len(draws) > 1 else None
    return Index(figure=statistic_figure(statistic, values, draws), by_chance=chance)
