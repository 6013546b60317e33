"""What changes for each cohort from one system to the next, on the same draws of the same utterances.

Below zero is better. Whoever was worst before was so partly by bad luck, which does not come twice: so it is chosen
on half of the speakers, and what changes for it is measured on the others. Of a single cohort that stands out, and of
cohorts that the errors before drew, no change but that of the mean is free of this luck.
Both systems are held to the domains of the one before, so a cohort's change is that of its own errors.
Letters: S speakers, K cohorts, R draws.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from svc.errors import InvalidRequestError
from training.fairness.cohorts.finders import Finder
from training.fairness.cohorts.held_out import Evidence, LuckConfig, Placed, ends, halves_of
from training.fairness.cohorts.ranking import Ranking
from training.fairness.cohorts.speaker_errors import Drawn, HeardUtterances, Mask, SpeakerErrors, ratio
from training.metrics.bootstrap import Figure, figure_of
from training.metrics.verification import Array


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Heard:
    """What one system heard: as it is, and draws of it."""

    errors: SpeakerErrors
    drawn: Drawn

    def of(self, people: Mask) -> "Heard":
        """The speakers where `people` (S,) holds, drawn among all."""
        drawn = Drawn(times=self.drawn.times[:, people], errors=self.drawn.errors.select(people))
        return Heard(errors=self.errors.select(people), drawn=drawn)


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortChanges:
    """`before`: WER by cohort. `by_cohort` and all that begins with `of_` is relative, after / before - 1: of each
    cohort, and between those compared of the mean, of the variance and of the one that was worst before.

    `worst`: who that was on all speakers. `of_worst`: of the cohorts found worst on one half each, on the other half.
    `mean` and `variance`: before and after.
    """

    before: Mapping[str, Figure]
    by_cohort: Mapping[str, Figure]
    worst: str
    of_worst: Figure
    of_mean: Figure
    of_variance: Figure
    mean: tuple[Figure, Figure]
    variance: tuple[Figure, Figure]


def check_paired(before: HeardUtterances, after: HeardUtterances) -> None:
    """Raises InvalidRequestError unless both heard the same: utterances, who speaks in them, domains and words."""
    there, here = before.said, after.said
    if apart := {name for name, _ in there.items() ^ here.items()}:
        first = min(apart)
        told = [said.get(first, "nothing") for said in (there, here)]
        message = (
            f"the systems did not hear the same, {len(apart)} utterances differ: of {first} --before has {told[0]}, "
            f"--errors has {told[1]}; make both with python -m training.recognise_utterances from one --utterances FILE"
        )
        raise InvalidRequestError(message, field="before")


def cohort_changes(
    ranking: Ranking, before: Heard, after: Heard, *, finder: Finder, strata: Sequence[str], config: LuckConfig
) -> CohortChanges | None:
    """On the ranking's cohorts; none where fewer than two can be compared. `strata` (S,): for halves alike."""
    placed = Placed.by(ranking.rule, before.errors)
    old, new = (_rates(placed, heard, standard=before) for heard in (before, after))
    enough = placed.enough(config.least_speakers)
    found = ends(old[0], enough)
    if found is None:
        return None
    numbers = {cohort.name: ranking.rule.names.index(cohort.name) for cohort in ranking.cohorts}
    means, variances = ([_over(statistic, rates, enough) for rates in (old, new)] for statistic in (np.mean, np.var))
    return CohortChanges(
        before={name: figure_of(float(old[0][number]), old[1][:, number]) for name, number in numbers.items()},
        by_cohort={name: _change(_column(old, number), _column(new, number)) for name, number in numbers.items()},
        worst=ranking.rule.names[found[0]],
        of_worst=change_of_worst(finder, before, after, strata, config),
        of_mean=_change(*means),
        of_variance=_change(*variances),
        mean=_figures(means),
        variance=_figures(variances),
    )


def change_of_worst(finder: Finder, before: Heard, after: Heard, strata: Sequence[str], config: LuckConfig) -> Figure:
    """Of the mean rates over all halves: cohorts are found and the worst is chosen on one, measured on the other."""
    evidence = Evidence(judged=before.errors, found_on=before.errors)
    pairs = []
    for half in halves_of(strata, config):
        placed = evidence.placed_by(finder, half, least_speakers=config.least_in_half)
        if pair := _worst_elsewhere(placed, half, (before, after), config.least_in_half):
            pairs.append(pair)
    if not pairs:
        return Figure(None, None)
    return _change(*(_mean(of_system) for of_system in zip(*pairs, strict=True)))


def _worst_elsewhere(
    placed: Placed, half: Mask, systems: tuple[Heard, Heard], least: int
) -> list[tuple[Array, Array]] | None:
    """WER and draws of it of each system on the other half, of the cohort that the half finds worst by the first."""
    fitted, others = (Placed(placed.labels[side], placed.num_cohorts) for side in (half, ~half))
    standard = systems[0].of(~half)
    rates = [_rates(others, heard.of(~half), standard=standard) for heard in systems]
    found = ends(fitted.rates(systems[0].errors.select(half)), fitted.enough(least) & np.isfinite(rates[0][0]))
    return [_column(one, found[0]) for one in rates] if found else None


def _mean(columns: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Over those that could be measured."""
    values, draws = (np.stack(each) for each in zip(*columns, strict=True))
    return values.mean(axis=0), ratio(np.nansum(draws, axis=0), np.sum(~np.isnan(draws), axis=0))


def _rates(placed: Placed, heard: Heard, *, standard: Heard) -> tuple[Array, Array]:
    """(K,) and (R, K), each draw by that of the standard."""
    return placed.rates(heard.errors, standard.errors), placed.rates(heard.drawn.errors, standard.drawn.errors)


def _column(rates: tuple[Array, Array], number: int) -> tuple[Array, Array]:
    return rates[0][number], rates[1][:, number]


def _over(statistic: Callable[..., Array], rates: tuple[Array, Array], enough: Mask) -> tuple[Array, Array]:
    """Of the cohorts that are compared."""
    value, draws = (statistic(each[..., enough], axis=-1) for each in rates)
    return value, draws


def _figures(systems: Sequence[tuple[Array, Array]]) -> tuple[Figure, Figure]:
    before, after = (figure_of(float(value), draws) for value, draws in systems)
    return before, after


def _change(before: tuple[Array, Array], after: tuple[Array, Array]) -> Figure:
    value, draws = (ratio(new, old) - 1 for old, new in zip(before, after, strict=True))
    return figure_of(float(value), draws)
