"""Windows cover everything, evenly."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.audio.chunker import sliding_windows


@given(st.integers(0, 2000), st.integers(1, 300), st.data())
def test_every_sample_is_covered_by_windows_of_one_length(num: int, window: int, data: st.DataObject) -> None:
    hop = data.draw(st.integers(1, window))
    windows = sliding_windows(num, window_samples=window, hop_samples=hop)
    covered = np.zeros(num, bool)
    for piece in windows:
        assert piece.stop - piece.start == min(window, num)
        covered[piece] = True
    assert covered.all()
    assert all(0 < b.start - a.start <= hop for a, b in pairwise(windows))


@pytest.mark.parametrize(("window", "hop"), [(0, 0), (10, 0), (10, 11)])
def test_windows_that_leave_gaps_are_refused(window: int, hop: int) -> None:
    with pytest.raises(ValueError, match="hop_samples"):
        sliding_windows(100, window_samples=window, hop_samples=hop)
