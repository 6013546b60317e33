"""What chance makes of a gap, and whether it stands on people who did not choose it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.fairness.cohorts.heard_people import heard, names, places, voices, worse_quarter
from training.fairness.cohorts.finders import EmbeddingFinder, Finder, LabelFinder
from training.fairness.cohorts.held_out import LuckConfig, Placed, chance_of, ends, gap_found, held_out, relative_gap
from training.fairness.cohorts.ranking import rank
from training.fairness.cohorts.region_tree import RegionTreeFinder
from training.fairness.cohorts.speaker_errors import SpeakerErrors

CONFIG = LuckConfig(deals=39, splits=3)
STRATA = [""] * 80
QUARTERS: Mapping[str, str] = {name: str(number % 4) for number, name in enumerate(names(80))}
FINDERS: list[Finder] = [
    EmbeddingFinder(voices=voices(), count=4),
    RegionTreeFinder(place_of=places(), max_leaves=4),
    LabelFinder(kind="quarter", group_of=QUARTERS),
]


@pytest.mark.parametrize("finder", FINDERS, ids=lambda finder: finder.kind)
def test_a_planted_cohort_stands_on_the_other_half(finder: Finder) -> None:
    errors = heard(worse_quarter, utterances=8).by_speaker()
    found = held_out(finder, errors, STRATA, CONFIG)
    assert found
    assert found.gap > 1
    assert (found.worse_share, found.splits) == (1.0, 6)
    assert found.chance.p == 1 / 40
    assert chance_of(finder, errors, CONFIG).p == 1 / 40


@pytest.mark.parametrize("finder", FINDERS, ids=lambda finder: finder.kind)
def test_where_all_are_served_alike_there_is_a_gap_but_it_does_not_stand(finder: Finder) -> None:
    gaps, left, likely = [], [], []
    for seed in range(4):
        errors = heard(lambda _: 0.2, seed=seed).by_speaker()
        gaps.append(gap_found(Placed.by(finder.learn(errors, least_speakers=10), errors), errors, least_speakers=10))
        likely.append(chance_of(finder, errors, LuckConfig(deals=19)).p)
        found = held_out(finder, errors, STRATA, LuckConfig(deals=1, splits=3))
        assert found
        left.append(found.gap)
    assert min(gaps) > 0
    assert np.mean(left) < np.mean(gaps) / 2
    assert np.mean(likely) > 0.15


def test_errors_dealt_anew_show_what_they_did_the_last_time() -> None:
    errors = heard(lambda _: 0.2).by_speaker()
    assert chance_of(FINDERS[1], errors, LuckConfig(deals=5)) == chance_of(FINDERS[1], errors, LuckConfig(deals=5))


def test_chance_and_held_out_are_of_the_cohorts_found_before_and_so_of_the_gap_told() -> None:
    regions = RegionTreeFinder(place_of=places(), max_leaves=4)
    before, after = heard(worse_quarter, utterances=8).by_speaker(), heard(lambda _: 0.2, seed=3)
    ranking = rank(
        regions,
        after.by_speaker(),
        after.drawn(50),
        strata=STRATA,
        config=LuckConfig(deals=59, splits=3),
        found_on=before,
    )
    assert ranking.spread
    assert ranking.chance
    assert ranking.held_out
    gap, random = ranking.spread.gap[0], np.random.default_rng(5)
    placed = Placed.by(ranking.rule, after.by_speaker())
    dealt = [gap_found(placed, after.by_speaker().shuffled(random), least_speakers=10) for _ in range(59)]
    assert ranking.chance.p == pytest.approx(np.mean(np.array(dealt) >= gap), abs=0.15)
    assert ranking.chance.p > 0.1
    assert ranking.held_out.chance.p > 0.1


def test_regions_found_by_chance_do_not_stand_because_the_same_talkers_are_hard_again() -> None:
    """Talkers differ, places do not matter: p must be anything between 0 and 1."""
    likely = []
    for seed in range(12):
        hard = np.random.default_rng(seed).beta(1, 6, 80)
        before, after = (heard(hard.__getitem__, seed=100 * seed + system).by_speaker() for system in (0, 1))
        likely.append(chance_of(FINDERS[1], after, LuckConfig(deals=19), found_on=before).p)
    assert np.mean(likely) > 0.3
    assert np.sum(np.array(likely) <= 0.05) <= 3


def test_cohorts_are_found_and_judged_on_the_same_people() -> None:
    few, many = (heard(worse_quarter, people=people).by_speaker() for people in (40, 80))
    with pytest.raises(ValueError, match="the same speakers"):
        chance_of(FINDERS[2], many, CONFIG, found_on=few)


def test_what_was_planted_before_and_is_still_there_stands() -> None:
    before, after = heard(worse_quarter, utterances=8).by_speaker(), heard(worse_quarter, utterances=8, seed=1)
    for finder in FINDERS[1:]:
        found = held_out(finder, after.by_speaker(), STRATA, CONFIG, found_on=before)
        assert found
        assert (found.worse_share, found.chance.p) == (1.0, 1 / 40)
        assert chance_of(finder, after.by_speaker(), CONFIG, found_on=before).p == 1 / 40


@dataclass(frozen=True, slots=True, eq=False)
class Shy:
    """Finds one cohort by the errors as they are, and four by any others."""

    as_they_are: SpeakerErrors
    kind: str = "shy"
    looks_at_errors: bool = True
    embedder: str = ""
    known: tuple[str, ...] = ()

    def learn(self, errors: SpeakerErrors, *, least_speakers: int) -> LabelFinder:
        alike = np.array_equal(errors.errors, self.as_they_are.errors)
        return LabelFinder(kind="shy", group_of=dict.fromkeys(names(80), "all") if alike else QUARTERS)


def test_a_gap_that_cannot_be_measured_is_no_evidence() -> None:
    errors = heard(lambda _: 0.2).by_speaker()
    chance = chance_of(Shy(errors), errors, CONFIG)
    assert chance.median > 0
    assert chance.p == 1.0


def test_nothing_can_be_held_out_where_only_one_cohort_is_large_enough() -> None:
    finder = LabelFinder(kind="one", group_of=dict.fromkeys(names(80), "all"))
    assert held_out(finder, heard(worse_quarter).by_speaker(), STRATA, CONFIG) is None


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=6))
def test_worst_and_best_are_of_those_that_count(cohorts: list[tuple[float, bool]]) -> None:
    rates = np.array([rate for rate, _ in cohorts])
    enough = np.array([counts for _, counts in cohorts], np.bool_)
    found = ends(rates, enough)
    if enough.sum() < 2:
        assert found is None
    else:
        assert found
        assert (rates[found[0]], rates[found[1]]) == (rates[enough].max(), rates[enough].min())


def test_a_gap_is_relative_to_the_best() -> None:
    np.testing.assert_allclose(relative_gap(np.array([0.3, 0.2, 0.1]), np.array([0.2, 0.2, 0.0])), [0.5, 0, np.inf])
