"""Chosen rows by group and back: each where its group has it, and none lost."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from svc.models.chosen_rows import ChosenRows

choices = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.lists(st.booleans(), min_size=width, max_size=width), min_size=1, max_size=4)
)


@given(choices)
def test_rows_stand_in_their_group_in_the_order_of_time(choice: list[list[bool]]) -> None:
    chosen = torch.tensor(choice)
    frames = torch.arange(1.0, chosen.numel() + 1).view(*chosen.shape, 1)  # (G, W, 1)
    grouped = ChosenRows(chosen).by_group(frames[chosen])
    for group, (mask, found) in enumerate(zip(chosen, grouped, strict=True)):
        expected = frames[group][mask]
        assert torch.equal(found[: len(expected)], expected)
        assert not found[len(expected) :].any()


@given(choices)
def test_rows_come_back_as_they_were(choice: list[list[bool]]) -> None:
    chosen = torch.tensor(choice)
    rows = torch.randn(int(chosen.sum()), 3)
    by = ChosenRows(chosen)
    assert torch.equal(by.rows_of(by.by_group(rows)), rows)


@given(choices)
def test_the_order_names_the_frames_of_the_rows(choice: list[list[bool]]) -> None:
    chosen = torch.tensor(choice)
    by = ChosenRows(chosen)
    for mask, order, real in zip(chosen, by.order, by.real, strict=True):
        assert order[real].tolist() == mask.nonzero().flatten().tolist()
