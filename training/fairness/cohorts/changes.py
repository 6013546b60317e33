"""What changes for each cohort from one system to the next, on the same draws of the same utterances.

Below zero is better. Letters: K cohorts, R draws.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from svc.errors import InvalidRequestError
from training.fairness.cohorts.held_out import Placed, ends
from training.fairness.cohorts.ranking import Ranking
from training.fairness.cohorts.speaker_errors import Drawn, HeardUtterances, Mask, SpeakerErrors, ratio
from training.metrics.bootstrap import Figure, figure_of
from training.metrics.verification import Array


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Heard:
    """What one system heard: as it is, and draws of it."""

    errors: SpeakerErrors
    drawn: Drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortChanges:
    """`before`: WER by cohort. Everything else is relative, after / before - 1: of each cohort, and between those
    compared of the mean, of the variance and of the one that was worst before (`worst`).
    """

    before: Mapping[str, Figure]
    by_cohort: Mapping[str, Figure]
    worst: str
    of_worst: Figure
    of_mean: Figure
    of_variance: Figure


def check_paired(before: HeardUtterances, after: HeardUtterances) -> None:
    """Raises InvalidRequestError unless both heard the same utterances."""
    if before.utterance_ids != after.utterance_ids:
        apart = {*before.utterance_ids} ^ {*after.utterance_ids}
        message = f"the systems did not hear the same: {len(apart)} utterances are of one alone, as {min(apart)}"
        raise InvalidRequestError(message, field="before")


def cohort_changes(ranking: Ranking, before: Heard, after: Heard, *, least_speakers: int) -> CohortChanges | None:
    """On the ranking's cohorts; none where fewer than two can be compared."""
    placed = Placed.by(ranking.rule, before.errors)
    old, new = (_rates(placed, heard) for heard in (before, after))
    enough = placed.enough(least_speakers)
    found = ends(old[0], enough)
    if found is None:
        return None
    numbers = {cohort.name: ranking.rule.names.index(cohort.name) for cohort in ranking.cohorts}
    means, variances = ([_over(statistic, rates, enough) for rates in (old, new)] for statistic in (np.mean, np.var))
    return CohortChanges(
        before={name: figure_of(float(old[0][number]), old[1][:, number]) for name, number in numbers.items()},
        by_cohort={name: _change(_column(old, number), _column(new, number)) for name, number in numbers.items()},
        worst=ranking.rule.names[found[0]],
        of_worst=_change(_column(old, found[0]), _column(new, found[0])),
        of_mean=_change(*means),
        of_variance=_change(*variances),
    )


def _rates(placed: Placed, heard: Heard) -> tuple[Array, Array]:
    """(K,) and (R, K)"""
    return placed.rates(heard.errors), placed.rates(heard.drawn.errors)


def _column(rates: tuple[Array, Array], number: int) -> tuple[Array, Array]:
    return rates[0][number], rates[1][:, number]


def _over(statistic: Callable[..., Array], rates: tuple[Array, Array], enough: Mask) -> tuple[Array, Array]:
    """Of the cohorts that are compared."""
    value, draws = (statistic(each[..., enough], axis=-1) for each in rates)
    return value, draws


def _change(before: tuple[Array, Array], after: tuple[Array, Array]) -> Figure:
    value, draws = (ratio(new, old) - 1 for old, new in zip(before, after, strict=True))
    return figure_of(float(value), draws)
