"""Who is in each training batch: N different talkers, in random order over epochs, or balanced over groups.

The batch of a step depends on the seed and the step alone, so that a run can go on anywhere.
Letters: S talkers, N talkers in a batch, G groups.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from svc.errors import InvalidRequestError

IntArray = npt.NDArray[np.int64]


class SpeakerSchedule:
    """Batches of N of S talkers. An epoch is as many batches as hold every talker once, a rest left out."""

    def __init__(self, num_speakers: int, per_batch: int, *, seed: int) -> None:
        """Raises InvalidRequestError when there are fewer talkers than a batch has, ValueError below two."""
        if per_batch < 2:
            raise ValueError(f"a batch needs two speakers to compare, got {per_batch}")
        if num_speakers < per_batch:
            message = f"{num_speakers} speakers cannot fill a batch of {per_batch}: lower speakers, or add corpora"
            raise InvalidRequestError(message, field="speakers")
        self.num_speakers = num_speakers
        self.per_batch = per_batch
        self.seed = seed

    @property
    def steps_per_epoch(self) -> int:
        return self.num_speakers // self.per_batch

    def speakers(self, step: int) -> IntArray:
        """(N,) different talkers."""
        epoch, batch = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(self.num_speakers)
        return order[batch * self.per_batch :][: self.per_batch]


class BalancedSchedule(SpeakerSchedule):
    """As many talkers of each group in every batch as there are to have; the groups' talkers each as likely. Talkers of
    whom no group is known are none: they come as often as in batches that are not balanced.
    """

    def __init__(self, groups: Sequence[int], per_batch: int, *, seed: int) -> None:
        """`groups`: (S,), below zero = unknown."""
        super().__init__(len(groups), per_batch, seed=seed)
        self.members = [np.flatnonzero(np.asarray(groups) == group) for group in sorted(set(groups)) if group >= 0]
        self.unknown = np.flatnonzero(np.asarray(groups) < 0)

    def speakers(self, step: int) -> IntArray:
        """(N,) different talkers."""
        random = np.random.default_rng([self.seed, step])
        num_unknown = random.hypergeometric(len(self.unknown), self.num_speakers - len(self.unknown), self.per_batch)
        members = [self.unknown, *(self.members[group] for group in random.permutation(len(self.members)))]
        shares = [num_unknown, *even_shares([len(each) for each in members[1:]], self.per_batch - num_unknown)]
        chosen = [random.choice(each, share, replace=False) for each, share in zip(members, shares, strict=True)]
        return random.permutation(np.concatenate(chosen))


def even_shares(sizes: Sequence[int], total: int) -> list[int]:
    """Sizes of groups, at least `total` together -> how many of each: alike, but never more than there are.

    What does not divide goes to the groups named first.
    """
    shares = [0] * len(sizes)
    for _ in range(total):
        neediest = min((group for group, size in enumerate(sizes) if shares[group] < size), key=lambda g: shares[g])
        shares[neediest] += 1
    return shares
