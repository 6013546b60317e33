"""Calibrating: known LLRs recovered, people weighed alike and held out, a caller's own list from CSV to service."""

import csv
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

from svc.application import Application
from svc.backends.loading import load_embedder
from svc.backends.store import ModelStore
from svc.config import EquivoxConfig, ModelConfig
from svc.errors import InvalidRequestError
from svc.scoring.calibration import load_calibration
from svc.scoring.centring import centred
from svc.scoring.conditions import FEATURES, INPUTS, SPEECH_RANGE_S, Conditions, SideConditions
from training import calibrate
from training.calibration_figures import figures_of, figures_table, held_out_llrs, llrs_of, unmeasured_text
from training.calibration_fit import (
    CalibrationTrials,
    FitSettings,
    PenalisedCllr,
    balanced,
    fit,
    join,
    pair_shares,
)
from training.data.manifest import read_manifest

FREE = FitSettings(penalty=0.0)
SPREAD, DISTANCE = 0.1, 0.4


def gaussian_trials(num_trials: int, *, seed: int, drift: float = 0.0, num_units: int = 40) -> CalibrationTrials:
    """Scores of two Gaussians of one spread, whose midpoint moves by `drift` with net speech: the LLR is known."""
    random = np.random.default_rng(seed)
    target = random.random(num_trials) < 0.3
    side = SideConditions(
        net_speech_s=np.geomspace(*SPEECH_RANGE_S, num_trials)[random.permutation(num_trials)],
        snr_db=np.full(num_trials, 20.0),
        telephone=np.zeros(num_trials, dtype=bool),
    )
    conditions = Conditions(side, side)
    centres = 0.5 + drift * shortness(conditions) + np.where(target, DISTANCE / 2, -DISTANCE / 2)
    enrolment = random.integers(num_units, size=num_trials)
    return CalibrationTrials(
        scores=random.normal(centres, SPREAD),
        conditions=conditions,
        target=target,
        weights=np.ones(num_trials),
        enrolment_unit=enrolment,
        test_unit=np.where(target, enrolment, (enrolment + 1 + random.integers(num_units - 1)) % num_units),
    )


def shortness(conditions: Conditions) -> np.ndarray:
    """(T,)"""
    return conditions.features()[:, FEATURES.index("log_shorter_speech")]


def true_llrs(trials: CalibrationTrials, drift: float = 0.0) -> np.ndarray:
    return DISTANCE / SPREAD**2 * (trials.scores - 0.5 - drift * shortness(trials.conditions))


@pytest.mark.parametrize("drift", [0.0, 0.15])
def test_known_llrs_are_recovered_on_new_trials(drift: float) -> None:
    weights = fit(gaussian_trials(20_000, seed=0, drift=drift), FREE)
    fresh = gaussian_trials(2_000, seed=1, drift=drift)
    plausible = np.abs(truth := true_llrs(fresh, drift)) < 4
    np.testing.assert_allclose(llrs_of(weights, fresh)[plausible], truth[plausible], atol=0.5)


def without_conditions(trials: CalibrationTrials) -> CalibrationTrials:
    side = replace(trials.conditions.test, net_speech_s=np.ones(len(trials)))
    return replace(trials, conditions=Conditions(side, side))


def test_condition_that_moves_scores_is_worth_knowing() -> None:
    trials, fresh = (gaussian_trials(5_000, seed=seed, drift=0.15) for seed in (0, 1))
    blind = [without_conditions(each) for each in (trials, fresh)]
    aware = figures_of(fresh, llrs_of(fit(trials), fresh))
    unaware = figures_of(blind[1], llrs_of(fit(blind[0]), blind[1]))
    assert aware is not None
    assert unaware is not None
    assert aware.cllr < 0.8 * unaware.cllr
    assert aware.ratio < 1.15


def test_mislabelled_trials_are_doubted_and_do_not_flatten_the_slope() -> None:
    trials = gaussian_trials(20_000, seed=0)
    wrong = trials.target & (np.random.default_rng(2).random(len(trials.scores)) < 0.03)
    nontarget_like = np.random.default_rng(3).normal(0.5 - DISTANCE / 2, SPREAD, len(trials.scores))
    weights = fit(replace(trials, scores=np.where(wrong, nontarget_like, trials.scores)), FREE)
    assert weights.doubt[0] == pytest.approx(0.03, rel=0.5)
    unharmed = (truth := true_llrs(trials)) > 0
    unharmed &= truth < 5
    np.testing.assert_allclose(llrs_of(weights, trials)[unharmed], truth[unharmed], atol=0.8)


@given(st.integers(0, 10**6))
def test_gradient_is_that_of_the_loss(seed: int) -> None:
    loss = PenalisedCllr(
        gaussian_trials(60, seed=seed, drift=0.1), 0.01, np.random.default_rng(seed).uniform(-1, 1, (60, 2))
    )
    parameters = loss.start() + np.random.default_rng(seed).normal(0, 0.3, len(loss.start()))
    numeric = approx_fprime(parameters, lambda p: loss(p)[0], 1e-7)
    np.testing.assert_allclose(loss(parameters)[1], numeric, atol=1e-4, rtol=1e-3)


def test_same_trials_give_the_same_weights() -> None:
    trials = gaussian_trials(3_000, seed=0)
    one, again = (fit(trials) for _ in range(2))
    np.testing.assert_array_equal(one.slope, again.slope)
    np.testing.assert_array_equal(one.offset, again.offset)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60))
def test_every_pair_of_people_weighs_the_same_however_often_tried(pairs: list[tuple[int, int]]) -> None:
    enrolment, test = np.array(pairs).T
    target = enrolment == test
    shares = pair_shares(enrolment, test, target)
    for kind in (True, False):
        people = {(min(pair), max(pair)) for pair in pairs if (pair[0] == pair[1]) == kind}
        for low, high in people:
            mask = (np.minimum(enrolment, test) == low) & (np.maximum(enrolment, test) == high)
            assert shares[mask].sum() == pytest.approx(1 / len(people))


def test_kinds_weigh_half_each_whatever_their_numbers() -> None:
    target = np.array([True, False, False, False])
    weights = balanced(np.array([5.0, 1.0, 2.0, 1.0]), target)
    assert weights[target].sum() == pytest.approx(weights[~target].sum()) == pytest.approx(0.5)


def test_joined_pools_score_as_they_did_apart() -> None:
    pools = [voiced_trials(seed=seed) for seed in (0, 1)]
    joined = join(pools)
    weights = fit(joined)
    assert weights.expected.shape == (len(INPUTS), 16)
    apart = np.concatenate([llrs_of(weights, pool) for pool in pools])
    np.testing.assert_allclose(llrs_of(weights, joined), apart)
    np.testing.assert_array_equal(joined.enrolment_unit, np.concatenate([pool.enrolment_unit for pool in pools]))


def voiced_trials(*, seed: int) -> CalibrationTrials:
    """Sixty sides of twenty people; those on the telephone are all pulled the same way."""
    random = np.random.default_rng(seed)
    people = np.repeat(np.arange(20), 3)
    telephone = random.random(60) < 0.5
    vectors = np.random.default_rng(9).normal(size=(20, 16))[people] + random.normal(0, 0.5, (60, 16))
    vectors += 4 * telephone[:, None] * np.eye(16)[0]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    sides = SideConditions(
        net_speech_s=np.full(60, 3.0), snr_db=np.full(60, 20.0), telephone=telephone, vectors=vectors.astype(np.float32)
    )
    enrolment, test = np.triu_indices(60, 1)
    return CalibrationTrials(
        scores=np.einsum("td,td->t", vectors[enrolment], vectors[test]),
        conditions=Conditions(sides.take(enrolment), sides.take(test)),
        target=people[enrolment] == people[test],
        weights=np.ones(len(enrolment)),
        enrolment_unit=people[enrolment],
        test_unit=people[test],
    )


def test_what_all_telephone_voices_share_is_taken_from_them() -> None:
    trials, fresh = (voiced_trials(seed=seed) for seed in (0, 1))
    expected = fit(trials).expected
    before, after = (
        figures_of(fresh, scores) for scores in (fresh.scores, centred(fresh.scores, fresh.conditions, expected))
    )
    assert before is not None
    assert after is not None
    assert after.eer < 0.6 * before.eer


def test_trials_too_few_to_be_held_out_are_told_with_what_to_do() -> None:
    few = gaussian_trials(20, seed=0)
    assert figures_of(few, few.scores) is None
    table = figures_table("held out", {"own": None})
    assert [list(column.cells) for column in table.columns][:2] == [["own"], ["-"]]
    assert "own: not measured" in unmeasured_text(["own"])
    assert "Do not rely on this calibration: give more people" in unmeasured_text(["own"])


def test_strangers_need_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"no folder of strangers' clips at .*/nowhere"):
        calibrate.strangers_of(Application(EquivoxConfig()), tmp_path / "nowhere")


def test_held_out_llrs_come_from_fits_without_either_speaker() -> None:
    trials = gaussian_trials(2_000, seed=0)
    llrs = held_out_llrs(trials, FREE, folds=4, seed=0)
    assert np.isfinite(llrs[trials.target]).all()
    assert 0 < np.isfinite(llrs[~trials.target]).mean() < 0.5
    person = trials.enrolment_unit[trials.target][0]
    theirs = (trials.enrolment_unit == person) | (trials.test_unit == person)
    heavier = replace(trials, weights=np.where(theirs, 1000.0, 1.0))
    again = held_out_llrs(heavier, FREE, folds=4, seed=0)
    # What a person weighs reaches the LLRs of others, never that person's own.
    np.testing.assert_array_equal(again[theirs], llrs[theirs])
    assert not np.allclose(again[trials.target & ~theirs], llrs[trials.target & ~theirs])


@pytest.mark.parametrize("kind", [True, False])
def test_trials_of_one_kind_alone_are_refused(kind: bool) -> None:
    trials = gaussian_trials(100, seed=0)
    with pytest.raises(InvalidRequestError, match="target and nontarget"):
        fit(trials.select(trials.target == kind))


def write_own_list(path: Path, data_root: Path, *, with_speakers: bool) -> None:
    """Two seconds each of three recordings of eight talkers, every pair of them."""
    clips = [clip for clip in read_manifest(data_root / "manifest.csv") if (clip.corpus, clip.split) == ("hyke", "dev")]
    talkers = sorted({clip.speaker for clip in clips})[:8]
    chosen = [clip for talker in talkers for clip in [c for c in clips if c.speaker == talker][:3]]
    columns = ["enrolment", "test", "target", *(["enrolment_speaker", "test_speaker"] if with_speakers else [])]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for one, other in combinations(chosen, 2):
            row = [f"{one.path}#t=2,4", f"{other.path}#t=2,4", int(one.speaker == other.speaker)]
            writer.writerow([*row, one.speaker, other.speaker][: len(columns)])


@pytest.mark.slow
@pytest.mark.parametrize("with_speakers", [True, False])
def test_own_list_becomes_a_calibration_the_service_loads(
    with_speakers: bool,
    tmp_path: Path,
    data_root: Path,
    store: ModelStore,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_own_list(tmp_path / "own.csv", data_root, with_speakers=with_speakers)
    arguments = f"--trials {tmp_path}/own.csv --audio-root {data_root} --out {tmp_path}/made --voices {tmp_path}/voices"
    monkeypatch.setattr("sys.argv", ["calibrate", *arguments.split(), "--folds", "2", "--embedder", "campplus"])
    calibrate.main()
    made = load_calibration(tmp_path / "made", load_embedder(ModelConfig(), store).fingerprint)
    alike, unlike = made.weights.llr([0.95, -0.2], np.zeros((2, len(FEATURES))))
    assert alike > 0 > unlike
    printed = capsys.readouterr()
    assert "minCllr" in printed.out
    assert ("files stand for people" in printed.err) == (not with_speakers)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--trials own.csv", "--audio-root belong together"),
        ("--folds 1", "--folds >= 2"),
        ("--pairs cross --replicas 5", "only with --policy: --pairs, --replicas"),
        ("--policy r.toml --scores s.csv --folds 3 --name a", "of a fit alone: --name, --folds"),
        ("--policy r.toml --trials t.csv --audio-root a --calibration-id 1", "--calibration-id is of --scores"),
        ("--policy r.toml --scores s.csv --voices v", "--voices keeps what is heard, and with --scores nothing is"),
        ("--penalty -1", "--penalty >= 0"),
        ("--cohort somewhere --no-cohort", "argument --no-cohort: not allowed with argument --cohort"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    arguments: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["calibrate", *arguments.split()])
    with pytest.raises(SystemExit):
        calibrate.main()
    assert message in capsys.readouterr().err


def test_list_that_is_not_there_is_an_error_of_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["calibrate", "--trials", f"{tmp_path}/no.csv", "--audio-root", str(tmp_path)])
    with pytest.raises(SystemExit, match="no trial list at"):
        calibrate.main()
