"""Batches hold different talkers, epochs all of them, balanced batches every group alike."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.errors import InvalidRequestError
from training.data.speaker_schedule import BalancedSchedule, SpeakerSchedule, even_shares

SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=5)


@given(st.integers(2, 40), st.integers(2, 40), st.integers(0, 5))
def test_an_epoch_holds_every_talker_at_most_once_and_misses_less_than_a_batch(
    per_batch: int, more: int, epoch: int
) -> None:
    schedule = SpeakerSchedule(per_batch + more, per_batch, seed=3)
    first = epoch * schedule.steps_per_epoch
    heard = np.concatenate([schedule.speakers(first + step) for step in range(schedule.steps_per_epoch)])
    assert len(set(heard.tolist())) == len(heard)
    assert per_batch + more - len(heard) < per_batch


@given(SIZES, st.integers(0, 99))
def test_shares_are_as_even_as_sizes_allow(sizes: list[int], total: int) -> None:
    total = min(total, sum(sizes))
    shares = even_shares(sizes, total)
    assert sum(shares) == total
    assert all(share <= size for share, size in zip(shares, sizes, strict=True))
    short = [share for share, size in zip(shares, sizes, strict=True) if share < size]
    assert not short or max(shares) - min(short) <= 1


@given(st.integers(0, 50))
def test_a_small_group_has_as_many_talkers_in_a_balanced_batch_as_a_large_one(step: int) -> None:
    groups = [0] * 40 + [1] * 5
    chosen = BalancedSchedule(groups, 8, seed=1).speakers(step)
    assert len(set(chosen.tolist())) == 8
    assert Counter(groups[who] for who in chosen) == {0: 4, 1: 4}


def test_talkers_of_no_known_group_come_as_often_as_in_any_batch_and_the_known_are_balanced() -> None:
    groups = [-1] * 3 + [0] * 30 + [1] * 70
    schedule = BalancedSchedule(groups, 8, seed=1)
    batches = [Counter(groups[who] for who in schedule.speakers(step)) for step in range(400)]
    assert all(abs(batch[0] - batch[1]) <= 1 for batch in batches)
    assert all(batch.total() == 8 for batch in batches)
    assert np.mean([batch[-1] for batch in batches]) == pytest.approx(8 * 3 / 103, abs=0.08)


def test_where_no_group_is_known_batches_are_of_anybody() -> None:
    assert sorted(BalancedSchedule([-1] * 8, 8, seed=1).speakers(0)) == list(range(8))


def test_a_group_too_small_for_its_share_leaves_the_rest_to_others() -> None:
    groups = [0] * 20 + [1]
    chosen = BalancedSchedule(groups, 8, seed=1).speakers(0)
    assert Counter(groups[who] for who in chosen) == {0: 7, 1: 1}


def test_batches_depend_on_seed_and_step_alone() -> None:
    one, other = SpeakerSchedule(20, 4, seed=1), SpeakerSchedule(20, 4, seed=1)
    _ = [one.speakers(step) for step in range(9)]
    np.testing.assert_array_equal(one.speakers(9), other.speakers(9))
    assert any((one.speakers(n) != SpeakerSchedule(20, 4, seed=2).speakers(n)).any() for n in range(3))


def test_too_few_talkers_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="3 speakers cannot fill a batch of 4"):
        SpeakerSchedule(3, 4, seed=0)
