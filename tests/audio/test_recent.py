"""The ring of recent rows against a plain list of all of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.audio.recent import RecentRows


@given(st.integers(1, 12), st.lists(st.integers(0, 30)), st.integers(0, 200), st.integers(0, 200))
def test_it_holds_the_last_rows_of_all(capacity: int, pieces: list[int], start: int, end: int) -> None:
    everything = np.arange(2 * sum(pieces), dtype=np.float32).reshape(-1, 2)
    recent = RecentRows(capacity, (2,))
    for piece in np.split(everything, np.cumsum(pieces)[:-1]) if pieces else []:
        recent.append(piece)
    assert (recent.start, recent.end) == (max(0, len(everything) - capacity), len(everything))
    expected = everything[max(start, recent.start) : end] if end > recent.start else everything[:0]
    np.testing.assert_array_equal(recent.read(start, end), expected)


def test_what_is_read_is_a_copy() -> None:
    recent = RecentRows(4)
    recent.append(np.ones(4, np.float32))
    recent.read(0, 4)[:] = 0
    assert recent.read(0, 4).sum() == 4


def test_rows_that_are_gone_are_not_made_up() -> None:
    recent = RecentRows(4)
    recent.append(np.ones(6, np.float32))
    with pytest.raises(IndexError, match="2 to 6"):
        recent.take(np.array([1, 2]))
    with pytest.raises(ValueError, match="capacity"):
        RecentRows(0)
