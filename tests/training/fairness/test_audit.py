"""The audit as a whole: no gap where labels mean nothing, a planted one found, and all of it in the report."""

import json
from dataclasses import replace

import numpy as np
import pytest

from svc.errors import InvalidRequestError
from tests.training.fairness.scored_people import halves, llrs_of, trials_of
from training.evaluate import Attributes, Evaluation, Identity, Settings, Threshold, judge
from training.fairness.changes import changes_json
from training.fairness.groups import People
from training.group_tables import caution_lines
from training.metrics.verification import equal_error_rate, error_rates
from training.report_page.page import render_page

TRIALS = trials_of(40)
GREEN = frozenset(person for person, colour in halves(40).columns["colour"].items() if colour == "green")


def judged(people: People, *, harm: float = 1.5, replicas: int = 120, calibrated: bool = True) -> Evaluation:
    return judge(
        TRIALS,
        llrs_of(TRIALS, seed=1, harm=harm, harmed=GREEN),
        Identity(name="toy", calibrated=calibrated),
        settings=Settings(replicas=replicas),
        attributes=Attributes(people=people, by=("colour",)),
    )


@pytest.fixture(scope="module")
def planted() -> Evaluation:
    return judged(halves(40))


def test_a_planted_gap_is_found_and_its_interval_excludes_zero(planted: Evaluation) -> None:
    for measure in ("eer", "fnmr", "cllr"):
        pair = planted.disaggregated["colour"].gaps[measure].surest
        assert planted.disaggregated["colour"].name_of(pair.worse) == "green"
        assert pair.sure
    assert planted.disaggregated["colour"].worst("eer") == "green"


def test_shuffled_labels_show_no_gap() -> None:
    evaluations = [judged(halves(40, shuffled_by=seed), replicas=60) for seed in range(5)]
    assert sum(each.disaggregated["colour"].gaps["eer"].surest.sure for each in evaluations) <= 1


def test_figures_of_a_group_are_those_of_its_trials_at_the_one_threshold(planted: Evaluation) -> None:
    green = np.array([unit in GREEN for unit in TRIALS.units])
    within = green[TRIALS.enrolment] & green[TRIALS.test]
    targets, nontargets = (planted.llrs[within & (TRIALS.target == kind)] for kind in (True, False))
    figures = planted.by_group["colour"]["green"].figures
    assert figures["eer"].value == pytest.approx(equal_error_rate(targets, nontargets))
    assert (figures["fmr"].value, figures["fnmr"].value) == error_rates(targets, nontargets, 0.0)


def test_report_keeps_its_form_and_is_plain_json(planted: Evaluation) -> None:
    report = json.loads(json.dumps(planted.as_json(), allow_nan=False))
    assert report["overall"]["eer"].keys() == {"value", "ci95"}
    assert report["by_group"]["colour"]["green"]["n_speakers"] == 20
    gaps = report["gaps"]["colour"]
    assert gaps["compared"] == ["blue", "green"]
    assert gaps["measures"]["fnmr"]["difference"]["value"] > gaps["measures"]["fnmr"]["difference"]["by_chance"]
    assert 0 < gaps["garbe"]["value"] < 1
    assert gaps["fdr"]["value"] < gaps["fdr"]["by_chance"] < 1


def test_small_and_unknown_groups_keep_figures_and_stand_outside_the_gaps() -> None:
    colours = {**halves(40).columns["colour"], **dict.fromkeys(("0", "2", "4"), "red"), "6": "", "8": ""}
    result = judged(People(columns={"colour": colours}), replicas=20).disaggregated["colour"]
    assert result.not_compared == {"(unknown)": "unknown", "red": "too few speakers or trials"}
    assert result.by_group["red"].figures["eer"].value is not None
    assert [result.grouping.groups[number] for number in result.compared] == ["blue", "green"]


def test_scores_without_calibration_get_a_threshold_that_says_where_it_is_from() -> None:
    report = judged(halves(40), replicas=5, calibrated=False).as_json()
    assert report["threshold"]["chosen_on_these_trials"] is True
    assert report["overall"]["fmr"]["value"] == pytest.approx(report["overall"]["eer"]["value"], abs=0.01)
    assert report["overall"]["cllr"]["value"] is None


def test_a_paired_comparison_sees_a_mended_gap_and_none_between_a_system_and_itself(planted: Evaluation) -> None:
    mended = judged(halves(40), harm=0.0)
    change = changes_json(planted, mended)
    assert change["by_group"]["colour"]["green"]["eer"]["ci95"][1] < 0
    assert change["gaps"]["colour"]["eer"]["difference"]["ci95"][1] < 0
    same = changes_json(planted, planted)
    assert same["overall"]["eer"] == {"value": 0.0, "ci95": [0.0, 0.0]}


def test_systems_on_other_trials_or_draws_are_not_compared(planted: Evaluation) -> None:
    with pytest.raises(InvalidRequestError, match="same trials"):
        changes_json(planted, judged(halves(40), replicas=5))


def test_no_error_in_few_people_is_no_proof_of_none() -> None:
    evaluation = judge(
        TRIALS,
        np.where(TRIALS.target, 5.0, -5.0),
        Identity(name="perfect", calibrated=True),
        settings=Settings(replicas=20, threshold=Threshold(value=0.0, source="given")),
    )
    figures = evaluation.overall.figures
    assert figures["fnmr"].ci95 == pytest.approx((0.0, 1 - 0.025 ** (1 / 40)))
    assert (figures["min_dcf_01"].value, figures["min_cllr"].value, figures["act_dcf_05"].value) == (0, 0, 0)
    assert figures["min_dcf_01"].ci95 is figures["min_cllr"].ci95 is figures["act_dcf_05"].ci95 is None


def test_a_change_between_systems_that_never_err_is_as_uncertain_as_so_few_people_leave_it() -> None:
    before, after = (
        judge(
            TRIALS,
            np.where(TRIALS.target, height, -height),
            Identity(name="perfect", calibrated=True),
            settings=Settings(replicas=20),
            attributes=Attributes(people=halves(40), by=("colour",)),
        )
        for height in (5.0, 6.0)
    )
    change = changes_json(before, after)
    reach = 1 - 0.025 ** (1 / 20)
    assert change["by_group"]["colour"]["green"]["fnmr"] == {"value": 0, "ci95": pytest.approx([-reach, reach])}
    assert change["overall"]["eer"]["ci95"] == pytest.approx([0.025 ** (1 / 40) - 1, 1 - 0.025 ** (1 / 40)])
    assert change["overall"]["min_dcf_01"] == change["gaps"]["colour"]["fnmr"]["std"] == {"value": 0, "ci95": None}


def test_twelve_people_without_an_error_are_not_surely_better_than_others_of_whom_some_err() -> None:
    people = {str(person): "blue" if person < 12 else "green" for person in range(40)}
    unlucky = np.isin(np.array(TRIALS.units)[TRIALS.enrolment], [str(person) for person in range(12, 21)])
    wrong = TRIALS.target & unlucky & (np.random.default_rng(0).random(len(TRIALS)) < 0.4)
    evaluation = judge(
        TRIALS,
        np.where(TRIALS.target & ~wrong, 5.0, -5.0),
        Identity(name="toy", calibrated=True),
        settings=Settings(replicas=120),
        attributes=Attributes(people=People(columns={"colour": people}), by=("colour",)),
    )
    colour = evaluation.disaggregated["colour"]
    assert colour.by_group["blue"].figures["fnmr"].value == 0
    assert not colour.gaps["fnmr"].surest.sure
    assert colour.gaps["fmr"].difference_by_chance


def test_a_group_whose_target_trials_are_of_one_person_is_too_small() -> None:
    units = np.array(TRIALS.units)
    others = TRIALS.target & np.isin(units[TRIALS.enrolment], [unit for unit in GREEN if unit != "1"])
    repeated = np.concatenate([np.flatnonzero(~others), np.repeat(np.flatnonzero(TRIALS.target & ~others), 6)])
    trials = replace(TRIALS, **{name: getattr(TRIALS, name)[repeated] for name in ("enrolment", "test", "target")})
    evaluation = judge(
        trials,
        llrs_of(TRIALS, seed=1, harm=1.5, harmed=GREEN)[repeated],
        Identity(name="toy", calibrated=True),
        settings=Settings(replicas=20),
        attributes=Attributes(people=halves(40), by=("colour",)),
    )
    green = evaluation.by_group["colour"]["green"]
    assert (green.n_speakers, green.speakers.target, green.n_target) == (20, 1, 42)
    assert evaluation.disaggregated["colour"].not_compared == {"green": "too few speakers or trials"}
    written = evaluation.as_json()["by_group"]["colour"]["green"]
    assert (written["n_target_speakers"], written["n_nontarget_speakers"]) == (1, 20)


def test_what_the_policy_withholds_is_counted_by_group_and_changes_no_rate(planted: Evaluation) -> None:
    band = planted.threshold.inconclusive_band
    near = np.abs(planted.llrs - planted.threshold.value) < band
    colour = planted.disaggregated["colour"].grouping
    own = near & TRIALS.target & (colour.labels == colour.groups.index("green"))
    written = planted.as_json()
    assert written["withheld"]["by_group"]["colour"]["green"]["n_target"] == own.sum() > 0
    assert sum(written["withheld"]["overall"].values()) == near.sum()
    assert any("the service withholds" in line for line in caution_lines(planted))
    assert f"green {own.sum()} of 120 and" in render_page(written)
    given = replace(planted.settings, threshold=Threshold(value=planted.threshold.value, source="given"), replicas=2)
    plain = judge(TRIALS, planted.llrs, planted.system, settings=given)
    assert plain.overall.figures["fnmr"].value == planted.overall.figures["fnmr"].value
    assert "withheld" not in plain.as_json()
