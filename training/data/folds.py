"""Speaker-disjoint folds of a corpus, for cross-validation: everybody is tested once, by what never heard them.

Dev talkers are in the folds too, but no fold trains on them: thresholds are chosen on those outside the tested fold.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from training.data.manifest import TEST, TRAIN, Clip


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """The talkers tested in one fold."""

    number: int
    corpus: str
    tested: frozenset[str]

    def resplit(self, clips: Sequence[Clip]) -> list[Clip]:
        """All the corpus's talkers but the dev ones in the train split: its clips in the order and split of any fold.

        The tested are among them, to be left out by whoever trains.
        """
        return [
            replace(clip, split=TRAIN) if clip.corpus == self.corpus and clip.split == TEST else clip for clip in clips
        ]


def make_folds(clips: Sequence[Clip], corpus: str, count: int, *, seed: int = 0) -> list[Fold]:
    """`count` folds with like shares of each country and sex. Raises ValueError for fewer than two, or than talkers."""
    known = {clip.speaker: (clip.sex, clip.country) for clip in clips if clip.corpus == corpus}
    if not 2 <= count <= len(known):
        raise ValueError(f"{len(known)} talkers of {corpus} cannot make {count} folds")
    order = np.random.default_rng(seed).permutation(len(known))
    talkers = [speaker for _, speaker in sorted(zip(order.tolist(), sorted(known), strict=True))]
    # Dealt in turn, each sex country by country: sorting is stable, so those alike stay in random order.
    talkers.sort(key=known.__getitem__)
    return [Fold(number=number, corpus=corpus, tested=frozenset(talkers[number::count])) for number in range(count)]
