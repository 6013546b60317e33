"""Curves in few points against the metrics they are drawn from."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.training.fairness.scored_people import halves, llrs_of, trials_of
from training.evaluate import Attributes, Evaluation, Identity, Settings, Threshold, judge
from training.fairness.curves import DET_POINTS, FALSE_MATCH_RATES, SCORE_BINS, curves_json
from training.fairness.groups import People
from training.metrics.verification import calibration_error, det_curve

TRIALS = trials_of(24)


def judged(people: People) -> Evaluation:
    return judge(
        TRIALS,
        llrs_of(TRIALS, seed=1),
        Identity(name="toy", calibrated=True),
        settings=Settings(replicas=2),
        attributes=Attributes(people=people, by=("colour",)),
    )


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(-8, 8), st.booleans()), min_size=2, max_size=60))
def test_every_point_is_one_of_the_whole_curve_and_both_ends_are_kept(rows: list[tuple[int, bool]]) -> None:
    scores, target = np.array([row[0] / 2 for row in rows]), np.array([row[1] for row in rows])
    assume(target.any() and not target.all())
    curve = curves_json(scores, target, {}, calibrated=True)["overall"]["det"]
    whole = det_curve(scores[target], scores[~target])
    points = {(f"{fmr:.5g}", f"{fnmr:.5g}") for fmr, fnmr in zip(whole.fmr, whole.fnmr, strict=True)}
    drawn = [(f"{fmr:.5g}", f"{fnmr:.5g}") for fmr, fnmr in zip(curve["fmr"], curve["fnmr"], strict=True)]
    assert set(drawn) <= points
    assert (drawn[0], drawn[-1]) == (("1", "0"), ("0", "1"))


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 400), st.integers(1, 400))
def test_bins_of_posteriors_add_up_to_the_calibration_error(seed: int, num_target: int, num_nontarget: int) -> None:
    random = np.random.default_rng(seed)
    targets, nontargets = random.normal(1, 2, num_target), random.normal(-1, 3, num_nontarget)
    target = np.arange(num_target + num_nontarget) < num_target
    curve = curves_json(np.append(targets, nontargets), target, {}, calibrated=True)["overall"]["reliability"]
    off = np.abs(np.array(curve["promised"]) - curve["seen"]) @ curve["share"]
    assert off == pytest.approx(calibration_error(targets, nontargets), abs=1e-3)


def test_a_group_is_promised_what_its_own_trials_say_also_where_no_decision_can_be_wrong() -> None:
    llrs = llrs_of(TRIALS, seed=1) / 4
    llrs += np.where(TRIALS.target, 4, -4)
    attributes = Attributes(people=halves(24), by=("colour",))
    found = judge(
        TRIALS, llrs, Identity(name="toy", calibrated=True), settings=Settings(replicas=0), attributes=attributes
    )
    labels = found.disaggregated["colour"].grouping.labels
    for number, curve in enumerate(found.as_json()["curves"]["by_group"]["colour"].values()):
        of_group = (llrs[(labels == number) & (TRIALS.target == kind)] for kind in (True, False))
        off = np.abs(np.array(curve["reliability"]["promised"]) - curve["reliability"]["seen"])
        assert off @ curve["reliability"]["share"] == pytest.approx(calibration_error(*of_group), rel=1e-3)


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(5, 400), st.integers(5, 400))
def test_misses_at_the_false_match_rates_of_the_page_are_those_of_the_whole_curve(
    seed: int, num_target: int, num_nontarget: int
) -> None:
    random = np.random.default_rng(seed)
    targets, nontargets = random.normal(1, 2, num_target), random.normal(-1, 2, num_nontarget)
    target = np.arange(num_target + num_nontarget) < num_target
    curve = curves_json(np.append(targets, nontargets), target, {}, calibrated=True)["overall"]["det"]
    whole = det_curve(targets, nontargets)
    for rate in FALSE_MATCH_RATES:
        told = min(fnmr for fmr, fnmr in zip(curve["fmr"], curve["fnmr"], strict=True) if fmr <= rate)
        assert told == pytest.approx(whole.fnmr[whole.fmr <= rate].min(), rel=1e-4)


def test_curves_are_short_and_shares_add_up_to_one() -> None:
    curves = judged(halves(24)).as_json()["curves"]
    assert len(curves["score_edges"]) == SCORE_BINS + 1
    for curve in (curves["overall"], *curves["by_group"]["colour"].values()):
        assert len(curve["det"]["fmr"]) <= DET_POINTS + len(FALSE_MATCH_RATES)
        assert sum(curve["target"]) == pytest.approx(1, abs=1e-3)
        assert sum(curve["nontarget"]) == pytest.approx(1, abs=1e-3)
    assert sum(curves["overall"]["reliability"]["n_trials"]) == len(TRIALS)


def test_groups_too_small_have_no_curve() -> None:
    colours = {**halves(24).columns["colour"], "0": "red", "2": "red"}
    curves = judged(People(columns={"colour": colours})).as_json()["curves"]
    assert curves["by_group"]["colour"]["red"] is None
    assert curves["by_group"]["colour"]["green"] is not None


def test_scores_that_are_no_llrs_promise_nothing_and_may_all_be_equal() -> None:
    scores, target = np.array([2.0, 2.0]), np.array([True, False])
    assert curves_json(scores, target, {}, calibrated=False)["overall"]["reliability"] is None


@pytest.mark.parametrize("threshold", [0.0, -1.0])
def test_the_deployed_point_is_on_the_curve_also_where_trials_were_refused(threshold: float) -> None:
    refused = np.arange(len(TRIALS)) % 5 == 0
    llrs = np.where(refused, 0.0, np.round(llrs_of(TRIALS, seed=1)))
    settings = Settings(replicas=0, threshold=Threshold(value=threshold, source="given"))
    found = judge(TRIALS, llrs, Identity(name="toy", calibrated=True), settings=settings, refused=refused).as_json()
    overall, det = found["overall"], found["curves"]["overall"]["det"]
    point = tuple(pytest.approx(overall[name]["value"], rel=1e-4) for name in ("fmr", "fnmr"))
    assert point in list(zip(det["fmr"], det["fnmr"], strict=True))
    assert max(det["fmr"]) == pytest.approx(1 - refused[~TRIALS.target].mean(), rel=1e-4)
    assert min(det["fnmr"]) == pytest.approx(refused[TRIALS.target].mean(), rel=1e-4)


def test_the_digest_is_that_of_trials_and_scores() -> None:
    one, other = judged(halves(24)).as_json(), judged(halves(24)).as_json()
    assert one["inputs_sha256"] == other["inputs_sha256"]
    moved = judge(TRIALS, llrs_of(TRIALS, seed=2), Identity(name="toy", calibrated=True), settings=Settings(replicas=2))
    assert moved.as_json()["inputs_sha256"] != one["inputs_sha256"]
    refused = replace(judged(halves(24)), refused=np.arange(len(TRIALS)) == 3)
    assert refused.as_json()["inputs_sha256"] != one["inputs_sha256"]
