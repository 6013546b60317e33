"""Windows on the frame grid."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.pipelines.windows import FrameGrid

GRID = FrameGrid(frame_samples=270, offset_samples=495, window_samples=160_000)


@given(st.integers(0, 2_000_000), st.floats(0.01, 10.0))
def test_windows_cover_every_sample_and_the_last_hardly_passes_the_end(num_samples: int, hop_s: float) -> None:
    starts = GRID.window_starts(num_samples, hop_s)
    firsts = [start * GRID.frame_samples for start in starts]
    assert firsts == sorted(set(firsts))
    assert firsts[0] == 0
    assert all(after - before <= hop_s * 16_000 + 270 for before, after in itertools.pairwise(firsts))
    past_end = firsts[-1] + GRID.window_samples - num_samples
    assert 0 <= past_end < 270 or len(starts) == 1


def test_cut_pads_with_silence() -> None:
    samples = np.arange(1, 1001, dtype=np.float32)
    windows = GRID.cut(samples, [0, 2])
    assert windows.shape == (2, 160_000)
    np.testing.assert_array_equal(windows[1, :460], samples[540:])
    assert not windows[1, 460:].any()


@pytest.mark.parametrize("frame", [0, 7, 588])
def test_samples_of_a_frame_lie_at_its_time(frame: int) -> None:
    window = np.arange(160_000, dtype=np.float32)
    frames = np.zeros(589, bool)
    frames[frame] = True
    found = GRID.samples_at(window, frames)
    assert found[0] == round(GRID.time_s(frame) * 16_000)
    assert len(found) == 270
