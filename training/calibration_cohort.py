"""The cohort of a calibration: talkers grouped by how alike they are, and only the mean of each group kept.

So nobody's voice ships: a group is of svc.scoring.normalisation.MIN_TALKERS people at least, smaller ones are left out.
Letters: S sides, U voices, N people, C groups, D embedding width, T trials, Q = 2 features.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from svc.errors import InvalidRequestError
from svc.scoring.centring import centred_voices
from svc.scoring.conditions import Array, Conditions, SideConditions
from svc.scoring.cosine import unit_rows
from svc.scoring.normalisation import MIN_TALKERS, Cohort, likeness, likeness_features

Units = npt.NDArray[np.int64]

TALKERS_PER_GROUP = 5
# Of fewer, the groups say little about strangers.
MIN_PEOPLE = 30
ROUNDS = 30
# Each person is held against a cohort of the people of other folds: held against their own group they would seem more
# like the cohort than any stranger ever will. With few folds the cohort would be thinner than the one that ships.
FOLDS = 12
# Likenesses beyond these percentiles are clipped.
RANGE_PERCENT = (1.0, 99.0)


@dataclass(frozen=True, slots=True, eq=False)
class Strangers:
    """Voices (S,) of people who take no part in the trials, and numbers (S,) that name them."""

    sides: SideConditions
    people: Units


def cohort_and_likeness(
    conditions: Conditions, units: tuple[Units, Units], expected: Array, strangers: Strangers | None
) -> tuple[Cohort | None, Array]:
    """(T,) trials and the people on both sides -> the cohort and (T, 2) features; none and (T, 0) for too few people.

    Raises InvalidRequestError for strangers who are fewer than one group.
    """
    sides = conditions.enrolment, conditions.test
    if strangers is not None:
        cohort = grouped_voices([strangers.sides], [strangers.people], expected)
        values = [_likeness_of(side, expected, cohort) for side in sides]
    elif any(side.vectors is None for side in sides) or len(np.union1d(*units)) < MIN_PEOPLE:
        return None, np.zeros((len(units[0]), 0))
    else:
        cohort = grouped_voices(sides, units, expected)
        values = _held_out_likeness(sides, units, expected)
    low, high = np.percentile(np.concatenate(values), RANGE_PERCENT)
    likeness_range = np.array([low, max(high, low + 1e-3)])
    return Cohort(cohort, likeness_range), likeness_features(values[0], values[1], likeness_range)


def grouped_voices(sides: Sequence[SideConditions], units: Sequence[Units], expected: Array) -> Array:
    """(C, D) of unit length. Each person counts once, however often heard. Raises InvalidRequestError."""
    voices, people = [], []
    for side, unit in zip(sides, units, strict=True):
        heard, back = centred_voices(side, expected)  # (U, D), (T,)
        owner = np.empty(len(heard), dtype=np.int64)
        owner[back] = unit
        voices.append(heard)
        people.append(owner)
    names, numbers = np.unique(np.concatenate(people), return_inverse=True)
    if len(names) < MIN_TALKERS:
        raise InvalidRequestError(f"a cohort needs {MIN_TALKERS} people at least, got {len(names)}", field="cohort")
    means = np.zeros((len(names), voices[0].shape[1]))
    np.add.at(means, numbers, np.concatenate(voices))
    return group_means(unit_rows(means))


def group_means(people: Array) -> Array:
    """(N, D) -> (C, D): spherical k-means from evenly spread starts; the same people give the same groups."""
    num_groups = max(1, len(people) // TALKERS_PER_GROUP)
    means = people[np.linspace(0, len(people) - 1, num_groups).round().astype(int)]
    for _ in range(ROUNDS):
        group = np.argmax(people @ means.T, axis=1)  # (N,)
        sums = np.zeros_like(means)
        np.add.at(sums, group, people)
        sizes = np.bincount(group, minlength=num_groups)
        means = np.where(sizes[:, None] > 0, unit_rows(sums), means)
    # The means of the last grouping, each of all the people counted for it.
    return np.asarray(means[sizes >= MIN_TALKERS])


def _held_out_likeness(
    sides: tuple[SideConditions, SideConditions], units: tuple[Units, Units], expected: Array
) -> list[Array]:
    names = np.union1d(*units)
    folds = [np.searchsorted(names, unit) % FOLDS for unit in units]
    values = [np.empty(len(unit)) for unit in units]
    for fold in range(FOLDS):
        outside = [np.flatnonzero(each != fold) for each in folds]
        others = [side.take(rows) for side, rows in zip(sides, outside, strict=True)]
        cohort = grouped_voices(others, [unit[rows] for unit, rows in zip(units, outside, strict=True)], expected)
        for value, side, each in zip(values, sides, folds, strict=True):
            inside = np.flatnonzero(each == fold)
            value[inside] = _likeness_of(side.take(inside), expected, cohort)
    return values


def _likeness_of(side: SideConditions, expected: Array, cohort: Array) -> Array:
    voices, back = centred_voices(side, expected)
    return likeness(voices, cohort)[back]
