"""The fairness study on toy talkers: it resumes, repeats nothing, and judges all runs alike."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.finished_study import finished_once
from tests.training.toy_fairness_study import RUNS, WHOLE, toy_bench, toy_list
from training.data.manifest import DEV, TEST
from training.embedder_recipe import read_recipe
from training.metrics.verification import equal_error_rate
from training.studies.many_runs import Outcome, do_all
from training.studies.study_arms import ARMS, ArmRun, arm_runs
from training.studies.study_figures import EER, EVERYBODY, read_figures, write_figures
from training.studies.study_run import (
    FIGURES,
    SCORES,
    THRESHOLD,
    calibrated,
    do,
    embeddings,
    heard,
    is_done,
    scored,
    trainer_of,
    trunk_digest,
)
from training.studies.study_sides import ATTRIBUTES, CALLS, READ
from training.studies.study_tables import markdown
from training.studies.study_timing import time_steps, timing_table
from training.study_fairness import figures_by_arm, main

pytestmark = pytest.mark.slow  # whole studies

CONFIGS = sorted(Path("training/configs/verifier").glob("*.toml"))


def study(out: Path, runs: list[ArmRun] = RUNS) -> list[Outcome[ArmRun]]:
    bench = toy_bench(out)
    return do_all(runs, lambda run: do(run, bench), done=lambda run: is_done(run, out), jobs=1)


finished = finished_once(study, RUNS)


def test_every_run_is_judged_on_the_same_people_and_draws(finished: Path) -> None:
    figures = figures_by_arm(RUNS, finished)
    assert {arm: sorted(of) for arm, of in figures.items()} == {"uniform": [0, 1], "pw": [0, 1]}
    lists = [run.lists[READ].groupings for of in figures.values() for run in of.values()]
    assert {str(groupings["sex"].n_speakers) for groupings in lists} == {"(20, 20)"}
    assert {groupings[EVERYBODY].rows.shape[0] for groupings in lists} == {21}


def test_what_is_finished_is_not_repeated(finished: Path) -> None:
    assert study(finished) == []


def test_a_study_killed_within_a_run_ends_with_the_same_scores(finished: Path, tmp_path: Path) -> None:
    run = RUNS[-1]
    trainer = trainer_of(run.recipe, toy_bench(tmp_path), tmp_path / run.name)
    next(trainer.remaining_steps())
    trainer.save()
    study(tmp_path, [run])
    with np.load(tmp_path / run.name / SCORES) as mine, np.load(finished / run.name / SCORES) as whole:
        assert mine.files == list(ATTRIBUTES)
        assert all(np.array_equal(mine[name], whole[name]) for name in mine.files)


def test_figures_are_read_as_they_were_written(finished: Path, tmp_path: Path) -> None:
    figures = read_figures(finished / RUNS[0].name / FIGURES)
    assert figures is not None
    write_figures(tmp_path / FIGURES, figures)
    again = read_figures(tmp_path / FIGURES)
    assert again is not None
    assert again.lists.keys() == figures.lists.keys()
    np.testing.assert_array_equal(EER.statistic(again.lists[CALLS]), EER.statistic(figures.lists[CALLS]))


def test_what_is_not_trained_is_judged_as_it_starts(tmp_path: Path) -> None:
    (run,) = arm_runs(WHOLE, [ARMS["start"]], [0])
    study(tmp_path, [run])
    figures = read_figures(tmp_path / run.name / FIGURES)
    assert figures is not None
    assert figures.steps == 0


def test_the_table_names_every_method_that_is_done(finished: Path) -> None:
    told = markdown(figures_by_arm(RUNS, finished))
    assert all(told.count(ARMS[name].title) >= 1 for name in ("uniform", "pw"))
    assert "GroupDRO" not in told
    assert all(f"`{corpus}`: 40 test talkers" in told for corpus in ATTRIBUTES)


def test_the_threshold_knows_nothing_of_test_talkers(tmp_path: Path) -> None:
    trainer = trainer_of(WHOLE, toy_bench(tmp_path), tmp_path / "run")
    dev, test = toy_list(READ, seed=0), toy_list(READ, seed=9)
    weights = calibrated([(scored(trainer, dev, tmp_path), heard(dev))])
    trials = scored(trainer, test, tmp_path)
    llrs = weights.llr_under(trials.scores, trials.conditions)
    rising = llrs[np.argsort(trials.scores)]
    assert (np.diff(rising) >= 0).all()


def test_a_side_without_speech_has_no_voice(tmp_path: Path) -> None:
    listed = toy_list(READ, seed=0, silent=frozenset({0}))
    trainer = trainer_of(WHOLE, toy_bench(tmp_path), tmp_path / "run")
    some, all_heard = (embeddings(trainer, each, tmp_path) for each in (listed, toy_list(READ, seed=0)))
    np.testing.assert_array_equal(some[1:], all_heard[1:])
    assert not some[0].any()
    assert all_heard[0].any()
    assert np.array_equal(~heard(listed), (listed.trials.enrolment == 0) | (listed.trials.test == 0))


@pytest.mark.parametrize("silent", [frozenset[int](), frozenset({0})])
def test_a_side_without_speech_is_accepted_by_no_run(silent: frozenset[int], tmp_path: Path) -> None:
    (run,) = arm_runs(WHOLE, [ARMS["start"]], [0])
    listed = toy_list(READ, seed=1, silent=silent)
    bench = toy_bench(tmp_path)
    do(run, replace(bench, lists={DEV: bench.lists[DEV], TEST: {READ: listed}}))
    with np.load(tmp_path / run.name / SCORES) as kept:
        llrs, target = kept[READ], listed.trials.target
    accepted = (llrs >= THRESHOLD.value) & heard(listed)
    figures = read_figures(tmp_path / run.name / FIGURES)
    assert figures is not None
    everybody = figures.lists[READ].groupings[EVERYBODY]
    assert everybody.of("fmr")[0] == accepted[~target].mean()
    assert everybody.of("fnmr")[0] == (~accepted[target]).mean()
    assert everybody.of("eer")[0] == pytest.approx(equal_error_rate(llrs[target], llrs[~target]), abs=1e-6)
    assert (llrs[~heard(listed)] == 0).all()


def test_a_head_on_kept_statistics_hears_what_the_whole_network_does(tmp_path: Path) -> None:
    listed, bench = toy_list(READ, seed=0), toy_bench(tmp_path)
    head = replace(WHOLE, embedder=replace(WHOLE.embedder, trains="head"))
    whole, kept = (embeddings(trainer_of(each, bench, tmp_path / "run"), listed, tmp_path) for each in (WHOLE, head))
    np.testing.assert_allclose(whole, kept, atol=1e-5)


def test_runs_of_one_trunk_share_its_statistics(tmp_path: Path) -> None:
    embedder = toy_bench(tmp_path).start(WHOLE)
    before, names = trunk_digest(embedder), dict(embedder.network.named_parameters())
    projection = [name for name in names if name.startswith("xvector.dense")]
    with torch.no_grad():
        for name in projection:
            names[name].add_(1)
        assert trunk_digest(embedder) == before
        next(iter(names.values())).add_(1)
    assert projection
    assert trunk_digest(embedder) != before


def test_every_method_is_timed_with_its_adversary_at_work(tmp_path: Path) -> None:
    taken = time_steps(RUNS, toy_bench(tmp_path), steps=1)
    assert taken.keys() == {"uniform", "pw"}
    assert "| uniform |" in timing_table(taken)
    assert timing_table({"uniform": 0.1, "pw": 0.2}).endswith("| 200.0 | 2.00 |")


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_config_gives_every_method_a_recipe_of_its_own(config: Path) -> None:
    runs = arm_runs(read_recipe(config), list(ARMS.values()), [0, 1])
    assert len({run.recipe.digest for run in runs}) == len({run.name for run in runs}) == 2 * len(ARMS)


def test_the_table_needs_no_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(CONFIGS[0]), "--out", str(tmp_path / "none"), "--root", str(tmp_path), "--table"])
    assert ended.value.code == 0
    assert "no finished run yet" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [["--methods", "none"], ["--seeds", "a"], ["--jobs", "0"], ["--table", "--run", "x"]])
def test_wrong_options_are_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([str(CONFIGS[0]), "--out", "o", *wrong])
    assert "error:" in capsys.readouterr().err
