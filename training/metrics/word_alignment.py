"""Levenshtein alignment of words: which word of a reference is which of a hypothesis.

Letters: R reference words, H hypothesis words.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def word_pairs(reference: Sequence[str], hypothesis: Sequence[str]) -> list[tuple[int | None, int | None]]:
    """The cheapest alignment as (index in reference, index in hypothesis); none = inserted or deleted."""
    costs = _costs(reference, hypothesis)
    pairs: list[tuple[int | None, int | None]] = []
    r, h = len(reference), len(hypothesis)
    while r or h:
        if r and h and costs[r, h] == costs[r - 1, h - 1] + (reference[r - 1] != hypothesis[h - 1]):
            r, h = r - 1, h - 1
            pairs.append((r, h))
        elif r and costs[r, h] == costs[r - 1, h] + 1:
            r -= 1
            pairs.append((r, None))
        else:
            h -= 1
            pairs.append((None, h))
    return pairs[::-1]


def word_distance(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Fewest words to insert, leave out or replace."""
    return int(_costs(reference, hypothesis)[-1, -1])


def _costs(reference: Sequence[str], hypothesis: Sequence[str]) -> npt.NDArray[np.int64]:
    """(R + 1, H + 1) edits between all prefixes."""
    numbers = {word: number for number, word in enumerate(dict.fromkeys([*reference, *hypothesis]))}
    heard = np.array([numbers[word] for word in hypothesis], dtype=np.int64)
    steps = np.arange(len(hypothesis) + 1)
    costs = np.empty((len(reference) + 1, len(hypothesis) + 1), dtype=np.int64)
    costs[0] = steps
    for r, word in enumerate(reference, start=1):
        row = np.append(
            costs[r - 1, :1] + 1, np.minimum(costs[r - 1, 1:] + 1, costs[r - 1, :-1] + (heard != numbers[word]))
        )
        # Insertions along the row all at once: the running minimum of cost minus position.
        costs[r] = np.minimum.accumulate(row - steps) + steps
    return costs
