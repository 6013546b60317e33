"""What changes for the worst cohort is not the luck of having been the worst."""

from dataclasses import replace

import numpy as np
import pytest

from tests.training.fairness.cohorts.heard_people import heard, lines, names, places, worse_quarter
from training.fairness.cohorts.changes import CohortChanges, Heard, cohort_changes
from training.fairness.cohorts.finders import Finder, LabelFinder
from training.fairness.cohorts.held_out import LuckConfig
from training.fairness.cohorts.ranking import Ranking, ranked_cohorts
from training.fairness.cohorts.region_tree import RegionTreeFinder
from training.fairness.cohorts.speaker_errors import HeardUtterances
from training.utterance_errors import UtteranceErrors

STRATA = [""] * 80
CONFIG = LuckConfig(splits=5)
EIGHTHS = LabelFinder(kind="eighth", group_of={name: str(number % 8) for number, name in enumerate(names(80))})
FINDERS: list[Finder] = [EIGHTHS, RegionTreeFinder(place_of=places(), max_leaves=4)]


def changed(finder: Finder, before: HeardUtterances, after: HeardUtterances, replicas: int = 4) -> CohortChanges:
    one, other = (Heard(errors=each.by_speaker(), drawn=each.drawn(replicas)) for each in (before, after))
    rule = finder.learn(one.errors, least_speakers=CONFIG.least_speakers)
    cohorts = ranked_cohorts(rule, other.errors, other.drawn, least_speakers=CONFIG.least_speakers)
    ranking = Ranking(kind=finder.kind, rule=rule, cohorts=cohorts, n_unplaced=0, spread=None)
    found = cohort_changes(ranking, one, other, finder=finder, strata=STRATA, config=CONFIG)
    assert found
    return found


@pytest.mark.parametrize("finder", FINDERS, ids=lambda finder: finder.kind)
def test_where_nothing_changed_the_worst_is_no_better_in_the_mean(finder: Finder) -> None:
    """Twice the same rates: only by being chosen and measured on the same errors does the worst get better."""
    elsewhere, on_the_same = [], []
    for seed in range(16):
        found = changed(finder, heard(lambda _: 0.2, seed=2 * seed), heard(lambda _: 0.2, seed=2 * seed + 1))
        elsewhere.append(found.of_worst.value)
        on_the_same.append(found.by_cohort[found.worst].value)
    assert abs(np.mean(np.array(elsewhere, float))) < 0.04
    assert np.mean(np.array(on_the_same, float)) < -0.08


def test_a_mended_worst_cohort_is_found_on_the_other_half() -> None:
    before = heard(worse_quarter, utterances=8)
    after = heard(lambda number: 0.15 if number % 4 == 0 else 0.1, utterances=8, seed=1)
    quarters = LabelFinder(kind="quarter", group_of={name: str(number % 4) for number, name in enumerate(names(80))})
    found = changed(quarters, before, after, replicas=100)
    assert found.worst == "0"
    # The halves find the same, so all of them together are measured.
    assert found.of_worst.value == pytest.approx(found.by_cohort["0"].value, abs=0.1)
    assert found.of_worst.ci95
    assert found.of_worst.ci95[1] < -0.3


def on_the_telephone(wer: float) -> list[UtteranceErrors]:
    """Forty other people, in a domain of their own."""
    lines_of_all = lines(lambda _: wer, people=40, domain="telephone")
    return [replace(one, speaker=f"t{one.speaker}", utterance_id=f"t{one.utterance_id}") for one in lines_of_all]


def test_what_changes_on_the_telephone_changes_nobody_who_never_speaks_there() -> None:
    phrases = lines(worse_quarter, people=40)
    groups = {name: str(number % 2) for number, name in enumerate(names(40))}
    groups |= {one.speaker: "telephone" for one in on_the_telephone(0.5)}
    finder = LabelFinder(kind="group", group_of=groups)
    before, after = (HeardUtterances([*phrases, *on_the_telephone(wer)]) for wer in (0.5, 0.25))
    found = changed(finder, before, after, replicas=50)
    assert {name: found.by_cohort[name].value for name in "01"} == pytest.approx({"0": 0, "1": 0})
    assert {name: found.by_cohort[name].ci95 for name in "01"} == {name: pytest.approx((0, 0)) for name in "01"}
    of_telephone = found.by_cohort["telephone"].value
    assert of_telephone is not None
    assert of_telephone == pytest.approx(-0.5, abs=0.1)
