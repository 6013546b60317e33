"""Gap, share and spread by hand, and the order of cohorts."""

import numpy as np
import pytest

from tests.training.fairness.cohorts.heard_people import heard, names, places, utterance, voices, worse_quarter
from training.fairness.cohorts.finders import EmbeddingFinder, Finder, LabelFinder, found_cohorts
from training.fairness.cohorts.held_out import LuckConfig
from training.fairness.cohorts.ranking import Ranking, rank
from training.fairness.cohorts.region_tree import RegionTreeFinder
from training.fairness.cohorts.speaker_errors import HeardUtterances

# Cohort -> (errors of 10 words of each of its people).
PEOPLE = {"bad": (4, 4), "fair": (2, 2, 2), "good": (1, 1, 1), "tiny": (9,)}
GROUP_OF = {f"{cohort}{number}": cohort for cohort, wrong in PEOPLE.items() for number in range(len(wrong))}
SMALL = LuckConfig(least_speakers=2, deals=5, splits=2)


def by_hand() -> Ranking:
    people = HeardUtterances(
        [
            utterance(f"{cohort}{number}", 0, wrong, words=10)
            for cohort, of_people in PEOPLE.items()
            for number, wrong in enumerate(of_people)
        ]
        + [utterance("nobody", 0, 0, words=10)]
    )
    finder = LabelFinder(kind="cohort", group_of=GROUP_OF)
    return rank(finder, people.by_speaker(), people.drawn(300), strata=[""] * 10, config=SMALL)


def test_gap_share_mean_and_variance_are_those_of_paper_and_pencil() -> None:
    spread = by_hand().spread
    assert spread
    assert spread.gap[0] == pytest.approx((0.4 - 0.1) / 0.1)
    assert spread.speaker_share[0] == spread.word_share[0] == pytest.approx(2 / 9)
    assert spread.mean[0] == pytest.approx(0.7 / 3)
    assert spread.variance[0] == pytest.approx(np.var([0.4, 0.2, 0.1]))


def test_the_worst_comes_first_and_the_small_last_uncompared() -> None:
    ranking = by_hand()
    assert [cohort.name for cohort in ranking.cohorts] == ["bad", "fair", "good", "tiny"]
    assert [cohort.name for cohort in ranking.compared] == ["bad", "fair", "good"]
    assert [(cohort.n_speakers, cohort.n_words) for cohort in ranking.cohorts] == [(2, 20), (3, 30), (3, 30), (1, 10)]
    assert ranking.n_unplaced == 1


def test_intervals_hold_the_value_and_the_gap_of_a_planted_cohort_is_sure() -> None:
    people = heard(worse_quarter)
    finder = EmbeddingFinder(voices=voices(), count=4)
    ranking = rank(finder, people.by_speaker(), people.drawn(300), strata=[""] * 80, config=SMALL)
    for figure in (*(cohort.wer for cohort in ranking.cohorts), ranking.spread.figure("speaker_share")):  # type: ignore[union-attr]
        assert figure.ci95
        assert figure.value
        assert figure.ci95[0] < figure.value < figure.ci95[1]
    assert ranking.spread
    gap = ranking.spread.figure("gap").ci95
    assert gap
    assert gap[0] > 0.5


def test_with_one_cohort_there_is_nothing_to_compare() -> None:
    people = heard(worse_quarter, people=4)
    finder = LabelFinder(kind="one", group_of=dict.fromkeys(people.speakers, "all"))
    ranking = rank(finder, people.by_speaker(), people.drawn(10), strata=[""] * 4, config=SMALL)
    assert (ranking.spread, ranking.chance, ranking.held_out) == (None, None, None)


def test_cohorts_hold_everybody_whose_voice_is_known_not_only_who_was_heard() -> None:
    people = heard(worse_quarter, people=40)
    finder = EmbeddingFinder(voices=voices(), count=4)
    rule = finder.learn(people.by_speaker(), least_speakers=10)
    cohorts = found_cohorts(finder, rule, people.speakers)
    assert sorted(len(cohort.speakers) for cohort in cohorts) == [20, 20, 20, 20]
    assert {frozenset(int(name[1:]) % 4 for name in cohort.speakers) for cohort in cohorts} == {
        frozenset({number}) for number in range(4)
    }
    assert cohorts.centroids is not None
    assert cohorts.centroids.shape == (4, 16)


def test_only_cohorts_that_errors_made_are_drawn_by_somebody() -> None:
    errors = heard(worse_quarter, people=40).by_speaker()
    finders: tuple[Finder, ...] = (
        EmbeddingFinder(voices=voices(), count=4),
        LabelFinder(kind="half", group_of={name: name[-1] for name in names(80)}),
        RegionTreeFinder(place_of={name: place for name, place in places().items() if name != "p000"}),
    )
    rules = (finder.learn(errors, least_speakers=10) for finder in finders)
    made = [found_cohorts(finder, rule, errors.speakers) for finder, rule in zip(finders, rules, strict=True)]
    # Neither who was not heard, nor who has no place.
    assert [cohorts.drawn_by for cohorts in made] == [(), (), tuple(names(40)[1:])]
