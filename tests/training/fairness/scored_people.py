"""Synthetic scores of people in groups, for audits: how easy somebody is to know is theirs, and the group's."""

import numpy as np

from training.data.trial_list import TrialList
from training.fairness.groups import People
from training.metrics.verification import Array


def trials_of(num_people: int, *, clips: int = 4) -> TrialList:
    """All pairs of everybody's clips; speaker of clip "3/1" is "3"."""
    sides = [f"{person}/{clip}" for person in range(num_people) for clip in range(clips)]
    enrolment, test = np.triu_indices(len(sides), 1)
    units = tuple(side.partition("/")[0] for side in sides)
    person = np.array(units)
    return TrialList(
        sides=tuple(sides),
        named_at=("",) * len(sides),
        units=units,
        enrolment=enrolment.astype(np.int64),
        test=test.astype(np.int64),
        target=person[enrolment] == person[test],
        groups={},
        has_speakers=True,
    )


def llrs_of(trials: TrialList, *, seed: int, harm: float = 0.0, harmed: frozenset[str] = frozenset()) -> Array:
    """LLRs of targets at 3, of others at -3; those of the harmed are nearer zero by `harm`, as of degraded audio."""
    random = np.random.default_rng(seed)
    hurt = np.array([unit in harmed for unit in trials.units])
    loss = harm * (hurt[trials.enrolment] | hurt[trials.test])
    ease = random.normal(0, 0.4, len(set(trials.units)))[trials.unit_of_side][trials.enrolment]
    noise = ease + random.normal(0, 1.5, len(trials))
    return np.asarray(np.where(trials.target, 3 - loss, loss - 3) + noise)


def halves(num_people: int, *, shuffled_by: int | None = None) -> People:
    """Even people are blue and odd ones green, or as many at random."""
    order = np.arange(num_people)
    if shuffled_by is not None:
        np.random.default_rng(shuffled_by).shuffle(order)
    colours = {str(person): ("blue", "green")[place % 2] for place, person in enumerate(order.tolist())}
    return People(columns={"colour": colours})
