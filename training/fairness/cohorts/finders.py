"""Ways to find cohorts: each learns a rule from some speakers, and the rule places anybody.

Letters: S speakers, K cohorts, D embedding width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from svc.types import FloatArray
from training.fairness.cohorts.cohort import Cohorts, cohorts_of
from training.fairness.cohorts.speaker_errors import Labels, SpeakerErrors
from training.fairness.groups import UNKNOWN
from training.fairness.regions import k_means


class Rule(Protocol):
    """Who is of which cohort."""

    @property
    def names(self) -> tuple[str, ...]:
        """(K,)"""
        ...

    @property
    def centroids(self) -> FloatArray | None:
        """(K, D) where voices made the cohorts."""
        ...

    def labels(self, speakers: Sequence[str]) -> Labels:
        """(S,) numbers of cohorts; -1 for somebody of whom too little is known."""
        ...


class Finder(Protocol):
    """`looks_at_errors`: whether other errors of the same people would make another rule. `embedder`: fingerprint of
    what made the voices that are put to centroids; empty where there are none, or it is not known.
    """

    @property
    def kind(self) -> str: ...

    @property
    def looks_at_errors(self) -> bool: ...

    @property
    def embedder(self) -> str: ...

    @property
    def known(self) -> tuple[str, ...]:
        """Everybody a rule can place, heard or not."""
        ...

    def learn(self, errors: SpeakerErrors, *, least_speakers: int) -> Rule:
        """From these speakers alone."""
        ...


def found_cohorts(finder: Finder, rule: Rule, speakers: Sequence[str]) -> Cohorts:
    """Everybody the rule can place, and these speakers, by whose errors it was learned."""
    everybody = sorted({*finder.known, *speakers})
    labels = rule.labels(everybody).tolist()
    cohort_of = {who: rule.names[label] for who, label in zip(everybody, labels, strict=True) if label >= 0}
    drawn_by = tuple(sorted(cohort_of.keys() & {*speakers})) if finder.looks_at_errors else ()
    return cohorts_of(
        finder.kind,
        cohort_of,
        order=rule.names,
        centroids=rule.centroids,
        drawn_by=drawn_by,
        embedder=finder.embedder,
    )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class EmbeddingFinder:
    """k-means over the mean voice of each speaker; nobody's labels are needed. `voices`: speaker -> (D,) unit."""

    voices: Mapping[str, FloatArray]
    count: int
    seed: int = 0
    embedder: str = ""

    @property
    def kind(self) -> str:
        return f"embedding-{self.count}"

    @property
    def looks_at_errors(self) -> bool:
        return False

    @property
    def known(self) -> tuple[str, ...]:
        return tuple(self.voices)

    def learn(self, errors: SpeakerErrors, *, least_speakers: int) -> "NearestCentroid":
        """A cohort may be of any size: those too small to be judged are marked when judged."""
        heard = [self.voices[speaker] for speaker in errors.speakers if speaker in self.voices]
        count = min(self.count, len(heard))
        if count < 1:
            raise ValueError("no voice is known of any of these speakers")
        return NearestCentroid(voices=self.voices, centroids=k_means(np.stack(heard), count, seed=self.seed))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class NearestCentroid:
    """By the largest cosine."""

    voices: Mapping[str, FloatArray]
    centroids: FloatArray

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"voices {number}" for number in range(len(self.centroids)))

    def labels(self, speakers: Sequence[str]) -> Labels:
        nearest = (
            int(np.argmax(self.centroids @ self.voices[speaker])) if speaker in self.voices else -1
            for speaker in speakers
        )
        return np.fromiter(nearest, np.int64, len(speakers))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LabelFinder:
    """What is known of people: speaker -> group, which is also the rule. Empty or unknown = of none."""

    kind: str
    group_of: Mapping[str, str]

    @property
    def embedder(self) -> str:
        return ""

    @property
    def looks_at_errors(self) -> bool:
        return False

    @property
    def known(self) -> tuple[str, ...]:
        return tuple(self.group_of)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(group for group in {*self.group_of.values()} if group and UNKNOWN not in group))

    @property
    def centroids(self) -> None:
        return None

    def learn(self, errors: SpeakerErrors, *, least_speakers: int) -> "LabelFinder":
        """Nothing is to learn."""
        return self

    def labels(self, speakers: Sequence[str]) -> Labels:
        number_of = {name: number for number, name in enumerate(self.names)}
        return np.array([number_of.get(self.group_of.get(speaker, ""), -1) for speaker in speakers], np.int64)
