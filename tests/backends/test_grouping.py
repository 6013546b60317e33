"""Clips share a run only when they are equally long."""

from hypothesis import given
from hypothesis import strategies as st

from svc.backends.grouping import equal_length_batches

LENGTHS = st.lists(st.integers(0, 40), max_size=60)


@given(lengths=LENGTHS, budget=st.integers(1, 100))
def test_every_clip_runs_once_with_its_equals_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = equal_length_batches(lengths, budget=budget)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len({lengths[index] for index in batch}) == 1
        assert len(batch) == 1 or len(batch) * lengths[batch[0]] <= budget


def test_equal_clips_fill_a_run() -> None:
    assert equal_length_batches([300] * 9 + [200], budget=2400) == [[0, 1, 2, 3, 4, 5, 6, 7], [8], [9]]
