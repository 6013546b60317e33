"""Folds: everybody is tested once, by what never heard them, and countries and sexes are shared out evenly."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.data.toy_voices import clip
from training.data.folds import make_folds
from training.data.manifest import Clip


def talkers(count: int) -> list[Clip]:
    """Three quarters from one country, sexes in turn, every fifth a dev talker and every fifth a test one."""
    splits = ("train", "dev", "test", "train", "train")
    return [
        replace(
            clip(f"t{number:02d}", 0),
            country="usa" if number % 4 else "peru",
            sex=("female", "male")[number % 2],
            split=splits[number % 5],
        )
        for number in range(count)
    ]


@given(count=st.integers(2, 60), folds=st.integers(2, 7), seed=st.integers(0, 3))
def test_everybody_is_tested_once(count: int, folds: int, seed: int) -> None:
    clips = talkers(max(count, folds))
    tested = [speaker for fold in make_folds(clips, "toy", folds, seed=seed) for speaker in fold.tested]
    assert sorted(tested) == sorted({clip.speaker for clip in clips})


@given(count=st.integers(10, 60), seed=st.integers(0, 3))
def test_folds_have_like_shares_of_countries_and_sexes(count: int, seed: int) -> None:
    clips = talkers(count)
    folds = make_folds(clips, "toy", 5, seed=seed)
    by_sex = {each.speaker: (each.sex,) for each in clips}
    by_both = {each.speaker: (each.sex, each.country) for each in clips}
    groupings: list[dict[str, tuple[str, ...]]] = [{**by_sex}, {**by_both}]
    for of in groupings:
        counts = [Counter(of[speaker] for speaker in fold.tested) for fold in folds]
        for kind in set(of.values()):
            shares = [count[kind] for count in counts]
            assert max(shares) - min(shares) <= 1


def test_another_seed_deals_other_folds() -> None:
    assert make_folds(talkers(40), "toy", 5, seed=0) != make_folds(talkers(40), "toy", 5, seed=1)


def test_test_talkers_are_trained_on_and_dev_ones_never() -> None:
    clips = talkers(10)
    (fold, _) = make_folds(clips, "toy", 2)
    assert Counter(clip.split for clip in fold.resplit(clips)) == {"train": 8, "dev": 2}
    other = replace(clips[2], corpus="another")
    assert fold.resplit([other]) == [other]


@pytest.mark.parametrize("count", [1, 11])
def test_folds_that_cannot_be_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match="cannot make"):
        make_folds(talkers(10), "toy", count)
