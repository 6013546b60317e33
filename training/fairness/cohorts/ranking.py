"""Cohorts ranked by WER: how far the worst is from the best, how many it holds, and what chance alone would show.

A worst cohort always exists, and whoever looks for it finds one. So beside the gap of the cohorts found stand the gap
of cohorts made in the same way from errors dealt out anew among the speakers, and a held-out check (held_out.py).
Letters: S speakers, K cohorts, R draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.fairness.cohorts.finders import Finder, Rule
from training.fairness.cohorts.held_out import (
    Chance,
    HeldOut,
    LuckConfig,
    Placed,
    chance_of,
    ends,
    held_out,
    relative_gap,
)
from training.fairness.cohorts.speaker_errors import Drawn, Labels, SpeakerErrors, ratio, sizes
from training.metrics.bootstrap import Figure, figure_of
from training.metrics.verification import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedCohort:
    """`wer`: a fraction, standardised over domains. `too_small`: not compared."""

    name: str
    n_speakers: int
    n_words: int
    wer: Figure
    too_small: bool


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Spread:
    """Between the compared cohorts: value and (R,) draws of the gap between worst and best and of the share of the
    speakers and words that the worst holds, as fractions, and the mean and variance of the WER over cohorts.

    The worst and best are those of the values: a draw may have others.
    """

    gap: tuple[float, Array]
    speaker_share: tuple[float, Array]
    word_share: tuple[float, Array]
    mean: tuple[float, Array]
    variance: tuple[float, Array]

    def figure(self, name: str) -> Figure:
        """Of any of these."""
        return figure_of(*getattr(self, name))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Ranking:
    """One kind of cohorts, the worst first, small ones last. `spread`: None where fewer than two can be compared.

    Intervals are of these very cohorts: whoever chose them by their errors must look at `chance` and `held_out`.
    """

    kind: str
    rule: Rule
    cohorts: tuple[RankedCohort, ...]
    n_unplaced: int
    spread: Spread | None
    chance: Chance | None = None
    held_out: HeldOut | None = None

    @property
    def compared(self) -> tuple[RankedCohort, ...]:
        return tuple(cohort for cohort in self.cohorts if not cohort.too_small)


def rank(
    finder: Finder,
    errors: SpeakerErrors,
    drawn: Drawn,
    *,
    strata: Sequence[str],
    config: LuckConfig,
    found_on: SpeakerErrors | None = None,
) -> Ranking:
    """Cohorts found on all of the speakers, and what puts them into proportion. `strata` (S,): for halves alike.

    `found_on`: the errors of an earlier system, by which the cohorts are found in place of these. Gap, chance and the
    held-out check are then all of those cohorts.
    """
    rule = finder.learn(found_on or errors, least_speakers=config.least_speakers)
    spread = spread_of(rule, errors, drawn, least_speakers=config.least_speakers)
    return Ranking(
        kind=finder.kind,
        rule=rule,
        cohorts=ranked_cohorts(rule, errors, drawn, least_speakers=config.least_speakers),
        n_unplaced=int(np.sum(rule.labels(errors.speakers) < 0)),
        spread=spread,
        chance=chance_of(finder, errors, config, found_on=found_on) if spread else None,
        held_out=held_out(finder, errors, strata, config, found_on=found_on) if spread else None,
    )


def ranked_cohorts(rule: Rule, errors: SpeakerErrors, drawn: Drawn, *, least_speakers: int) -> tuple[RankedCohort, ...]:
    """Those that hold somebody."""
    placed = Placed.by(rule, errors)
    rates, draws = placed.rates(errors), placed.rates(drawn.errors)
    labels, people = placed.labels, sizes(placed.labels, placed.num_cohorts)
    cohorts = [
        RankedCohort(
            name=name,
            n_speakers=int(people[number]),
            n_words=int(errors.words[labels == number].sum()),
            wer=figure_of(float(rates[number]), draws[:, number]),
            too_small=bool(people[number] < least_speakers),
        )
        for number, name in enumerate(rule.names)
        if people[number]
    ]
    return tuple(sorted(cohorts, key=lambda cohort: (cohort.too_small, -(cohort.wer.value or 0.0))))


def spread_of(rule: Rule, errors: SpeakerErrors, drawn: Drawn, *, least_speakers: int) -> Spread | None:
    """None where fewer than two cohorts have enough speakers."""
    placed = Placed.by(rule, errors)
    labels, enough = placed.labels, placed.enough(least_speakers)
    rates, draws = placed.rates(errors), placed.rates(drawn.errors)
    found = ends(rates, enough)
    if found is None:
        return None
    bottom, top = found
    return Spread(
        gap=(float(relative_gap(rates[bottom], rates[top])), relative_gap(draws[:, bottom], draws[:, top])),
        speaker_share=_share(labels, bottom, np.ones(len(labels)), drawn.times),
        word_share=_share(labels, bottom, errors.words.sum(axis=-1), drawn.errors.words.sum(axis=-1)),
        mean=(float(rates[enough].mean()), draws[:, enough].mean(axis=1)),
        variance=(float(rates[enough].var()), draws[:, enough].var(axis=1)),
    )


def _share(labels: Labels, bottom: int, sizes: Array, drawn: Array) -> tuple[float, Array]:
    """(S,) and (R, S) -> the part of the cohort among all who are of any."""
    of_bottom, placed = labels == bottom, labels >= 0
    value = sizes[of_bottom].sum() / sizes[placed].sum()
    return float(value), ratio(drawn[:, of_bottom].sum(axis=1), drawn[:, placed].sum(axis=1))
