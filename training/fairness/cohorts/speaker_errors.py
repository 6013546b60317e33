"""Errors and words of each speaker by domain, WER of cohorts with the domain's effect taken out, and draws of both.

One domain may be ten times as hard as another and its talkers other people, so a cohort's plain WER tells mostly what
its people said. Hence indirect standardisation, as epidemiologists compare death rates of towns of unlike age: the
errors of a cohort over those expected had everybody been served alike in each domain, times the WER of all. Of one
domain alone this is the plain WER.
Letters: S speakers, D domains, U utterances, K cohorts, R draws.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from training.metrics.bootstrap import POISSON_TABLE
from training.metrics.verification import Array
from training.utterance_errors import UtteranceErrors

Labels = npt.NDArray[np.int64]
"""(S,) the cohort of each speaker by number; -1 = of none."""
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SpeakerErrors:
    """`errors` and `words` (.., S, D): of the speakers as they are, or of draws of them."""

    speakers: tuple[str, ...]
    domains: tuple[str, ...]
    errors: Array
    words: Array

    def select(self, people: Mask) -> "SpeakerErrors":
        """The speakers where `people` (S,) holds."""
        return SpeakerErrors(
            speakers=tuple(speaker for speaker, kept in zip(self.speakers, people, strict=True) if kept),
            domains=self.domains,
            errors=self.errors[..., people, :],
            words=self.words[..., people, :],
        )

    def shuffled(self, random: np.random.Generator) -> "SpeakerErrors":
        """Somebody else's errors and words for everybody, of somebody heard in the same domains."""
        return self.dealt(self.dealing(random))

    def dealing(self, random: np.random.Generator) -> Labels:
        """(S,) whose errors everybody gets."""
        order = np.arange(len(self.speakers))
        heard = self.words > 0  # (S, D)
        for pattern in np.unique(heard, axis=0):
            (alike,) = np.nonzero((heard == pattern).all(axis=1))
            order[alike] = random.permutation(alike)
        return order

    def dealt(self, order: Labels) -> "SpeakerErrors":
        """(S,) whose errors and words everybody gets; names stay."""
        return SpeakerErrors(
            speakers=self.speakers, domains=self.domains, errors=self.errors[order], words=self.words[order]
        )

    @property
    def overall(self) -> Array:
        """(..) WER of everybody."""
        return ratio(self.errors.sum(axis=(-1, -2)), self.words.sum(axis=(-1, -2)))

    @property
    def expected(self) -> Array:
        """(.., S) errors of each speaker were all served alike in each domain."""
        of_domain = ratio(self.errors.sum(axis=-2), self.words.sum(axis=-2))  # (.., D)
        return np.asarray((self.words * np.nan_to_num(of_domain)[..., None, :]).sum(axis=-1))

    def rates(self, labels: Labels, num_cohorts: int, *, standard: "SpeakerErrors | None" = None) -> Array:
        """(S,) cohorts -> (.., K) standardised WER; NaN for one without a word.

        `standard`: whose domains and overall WER to go by, where several systems are compared on the same words: by a
        standard of its own each would be told as better what only changed in domains a cohort never speaks in.
        """
        standard = standard or self
        member = (labels[:, None] == np.arange(num_cohorts)).astype(np.float64)  # (S, K)
        observed = self.errors.sum(axis=-1) @ member  # (.., K)
        return np.asarray(ratio(observed, standard.expected @ member) * standard.overall[..., None])


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Drawn:
    """(R, S) times each speaker was drawn, and what was heard of them then."""

    times: Array
    errors: SpeakerErrors


def ratio(numerator: Array, denominator: Array) -> Array:
    """NaN for nothing out of nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.asarray(numerator, np.float64) / denominator)


class HeardUtterances:
    """All utterances of one system, by speaker and domain. Two systems that heard the same are drawn alike."""

    def __init__(self, utterances: Iterable[UtteranceErrors]) -> None:
        utterances = sorted(utterances, key=lambda one: one.utterance_id)
        self.utterance_ids = tuple(one.utterance_id for one in utterances)
        self.speakers = tuple(sorted({one.speaker for one in utterances}))
        self.domains = tuple(sorted({one.domain for one in utterances}))
        speaker, domain = ({name: place for place, name in enumerate(of)} for of in (self.speakers, self.domains))
        cells = [speaker[one.speaker] * len(domain) + domain[one.domain] for one in utterances]
        self._cell = np.array(cells, np.int64)  # (U,)
        self._errors = np.array([one.errors.errors for one in utterances], np.float64)
        self._words = np.array([one.errors.words for one in utterances], np.float64)

    @property
    def digest(self) -> str:
        """SHA-256 of utterances, talkers, domains and errors: the same for the same, in whatever order."""
        names = "\n".join((*self.utterance_ids, *self.speakers, *self.domains))
        digest = hashlib.sha256(names.encode())
        for column in (self._cell, self._errors, self._words):
            digest.update(column.tobytes())
        return digest.hexdigest()

    @property
    def said(self) -> dict[str, str]:
        """Utterance -> how many words of whom in which domain, in text: none of it is the system's doing."""
        numbers = zip(*divmod(self._cell, len(self.domains)), self._words, strict=True)
        told = (f"{words:g} words of {self.speakers[who]} in {self.domains[where]}" for who, where, words in numbers)
        return dict(zip(self.utterance_ids, told, strict=True))

    def __len__(self) -> int:
        return len(self._cell)

    def by_speaker(self) -> SpeakerErrors:
        """As they are."""
        return self._summed([np.ones(len(self))], ())

    def drawn(self, replicas: int, *, seed: int = 0) -> Drawn:
        """Speakers with replacement, then their utterances, each a Poisson(1) number of times."""
        random = np.random.default_rng(seed)
        num_speakers = len(self.speakers)
        times = random.multinomial(num_speakers, np.full(num_speakers, 1 / num_speakers), size=replicas)
        speaker = self._cell // len(self.domains)  # (U,)
        # One draw at a time: all of a million utterances do not fit in memory.
        again = (POISSON_TABLE[random.integers(0, len(POISSON_TABLE), len(self))] for _ in range(replicas))
        weights = (often * of_speaker[speaker] for often, of_speaker in zip(again, times, strict=True))
        return Drawn(times=times.astype(np.float64), errors=self._summed(weights, (replicas,)))

    def _summed(self, weights: Iterable[Array], shape: tuple[int, ...]) -> SpeakerErrors:
        """(U,) how often each utterance counts, as many times as `shape` says."""
        num_cells = len(self.speakers) * len(self.domains)
        sums = np.empty((2, prod(shape), num_cells))
        for number, row in enumerate(weights):
            for of_column, column in zip(sums, (self._errors, self._words), strict=True):
                of_column[number] = np.bincount(self._cell, row * column, num_cells)
        errors, words = sums.reshape(2, *shape, len(self.speakers), len(self.domains))
        return SpeakerErrors(speakers=self.speakers, domains=self.domains, errors=errors, words=words)


def sizes(labels: Labels, num_cohorts: int) -> Labels:
    """(S,) -> (K,) speakers of each."""
    return np.bincount(labels[labels >= 0], minlength=num_cohorts)


def halves(strata: Sequence[str], random: np.random.Generator) -> Mask:
    """(S,) true for one half: of two neighbours in an order by stratum, random within, one is in each half."""
    order = sorted(range(len(strata)), key=lambda number: (strata[number], random.random()))
    first = random.integers(0, 2, len(strata) // 2 + 1)
    chosen = np.zeros(len(strata), np.bool_)
    chosen[order] = np.array([first[place // 2] == place % 2 for place in range(len(order))], np.bool_)
    return chosen
