"""Levenshtein alignment of words: which word of a reference is which of a hypothesis.

Letters: R reference words, H hypothesis words.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


def word_pairs(
    reference: Sequence[str], hypothesis: Sequence[str], *, apart: Numbers | None = None
) -> list[tuple[int | None, int | None]]:
    """The cheapest alignment as (index in reference, index in hypothesis); none = inserted or deleted.

    `apart` (R, H), 0 or more, tells how far any two lie from each other: of alignments as cheap the one is taken whose
    pairs have the least of it together.
    """
    pairing, edit = _differing(reference, hypothesis), 1
    if apart is not None:
        # Worth more than all there can be to gain in nearness.
        edit = 1 + int(apart.sum())
        pairing = edit * pairing + apart
    costs = _costs(pairing, edit)
    pairs: list[tuple[int | None, int | None]] = []
    r, h = len(reference), len(hypothesis)
    while r or h:
        if r and h and costs[r, h] == costs[r - 1, h - 1] + pairing[r - 1, h - 1]:
            r, h = r - 1, h - 1
            pairs.append((r, h))
        elif r and costs[r, h] == costs[r - 1, h] + edit:
            r -= 1
            pairs.append((r, None))
        else:
            h -= 1
            pairs.append((None, h))
    return pairs[::-1]


def word_distance(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Fewest words to insert, leave out or replace."""
    return int(_costs(_differing(reference, hypothesis), 1)[-1, -1])


def _differing(reference: Sequence[str], hypothesis: Sequence[str]) -> Numbers:
    """(R, H), 1 where two words are not the same."""
    numbers = {word: number for number, word in enumerate(dict.fromkeys([*reference, *hypothesis]))}
    said, heard = (np.array([numbers[word] for word in words], np.int64) for words in (reference, hypothesis))
    return np.not_equal.outer(said, heard).astype(np.int64)


def _costs(pairing: Numbers, edit: int) -> Numbers:
    """(R, H) costs of each pair, and what a word costs that has none -> (R + 1, H + 1) of all prefixes."""
    num_said, num_heard = pairing.shape
    steps = edit * np.arange(num_heard + 1)
    costs = np.empty((num_said + 1, num_heard + 1), dtype=np.int64)
    costs[0] = steps
    for r in range(1, num_said + 1):
        row = np.append(
            costs[r - 1, :1] + edit, np.minimum(costs[r - 1, 1:] + edit, costs[r - 1, :-1] + pairing[r - 1])
        )
        # Insertions along the row all at once: the running minimum of cost minus position.
        costs[r] = np.minimum.accumulate(row - steps) + steps
    return costs
