"""The mitigation study on synthetic talkers: it trains, judges, resumes, repeats nothing, and settles its cohort."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from svc.errors import InvalidRequestError, ServiceError
from tests.training.data.talkers import talkers
from tests.training.finished_study import finished_once
from tests.training.toy_adaptation import COHORTS, TOY, toy_adaptation, toy_artifact
from tests.training.toy_transcriber_run import toy_data
from training.adaptation import AdaptationTrainer
from training.data.utterances import write_utterances
from training.embed_speakers import Voices, write_voices
from training.fairness.cohorts.cohort import Cohorts
from training.studies.many_runs import Outcome, do_all
from training.studies.mitigation_arms import ARMS, BEFORE, ArmRun, arm_runs
from training.studies.mitigation_run import FISHER, SCORES, Bench, do, is_done, judged_utterances, told_by_voice
from training.study_mitigation import (
    arms_of,
    check_voices,
    domains_of,
    errors_of,
    parsed,
    prepare,
    settled_cohort,
    voices_of,
    warn_of_overlap,
)
from training.transcriber_data import DataPaths

pytestmark = pytest.mark.slow  # whole studies

WHOLE = toy_adaptation()
RUNS = arm_runs(WHOLE, [ARMS[name] for name in (BEFORE, "plain", "ewc", "vector")], [0, 1])


def bench(out: Path) -> Bench:
    return Bench(out=out, data_of=toy_data, judged=talkers(3), sounds=toy_data().sounds)


def study(out: Path) -> list[Outcome[ArmRun]]:
    return do_all(RUNS, lambda run: do(run, bench(out)), done=lambda run: is_done(run, out), jobs=1)


finished = finished_once(study, RUNS)


def test_what_is_not_trained_is_judged_once(finished: Path) -> None:
    found = errors_of(RUNS, finished)
    trained = {arm: [0, 1] for arm in ("plain", "ewc", "vector")}
    assert {arm: [*seeds] for arm, seeds in found.items()} == {BEFORE: [0], **trained}


def test_every_method_is_judged_on_the_same_words(finished: Path) -> None:
    words = [run.words for arm in errors_of(RUNS, finished).values() for run in arm.values()]
    assert all((each == words[0]).all() for each in words)
    assert words[0].sum() == sum(len(spoken.words) for spoken in talkers(3))


def test_every_study_has_the_artifact_as_it_is_to_compare_with() -> None:
    assert [arm.name for arm in arms_of(["plain", "ewc"])] == ["before", "plain", "ewc"]
    assert [arm.name for arm in arms_of(["plain", "before"])] == ["before", "plain"]


def test_what_is_finished_is_not_repeated(finished: Path) -> None:
    assert study(finished) == []


def test_a_study_killed_within_a_run_ends_with_the_same_scores(finished: Path, tmp_path: Path) -> None:
    last = RUNS[-1]
    for run in RUNS[:-1]:
        (tmp_path / run.name).symlink_to(finished / run.name)
    trainer = AdaptationTrainer(last.adaptation, toy_data(1), out=tmp_path / last.name, fisher=finished / FISHER)
    trainer.begin()
    next(trainer.stage_steps(0, 0))
    trainer.save()
    assert [outcome.run.name for outcome in study(tmp_path)] == [last.name]
    assert (tmp_path / last.name / SCORES).read_text() == (finished / last.name / SCORES).read_text()


def test_names_of_runs_change_with_what_they_are_made_by() -> None:
    others = arm_runs(replace(WHOLE, name="even"), [ARMS["plain"]], [0, 1])
    names = {run.name for run in (*RUNS, *others)}
    assert len(names) == len(RUNS) + len(others)


BY_VOICE = replace(COHORTS, kind="embedding", centroids=np.eye(2, 3, dtype=np.float32), embedder="ears")
HEARD = Voices({f"t{number}": np.eye(3, dtype=np.float32)[number] for number in range(3)}, "ears")


def test_a_run_with_voices_is_told_cohorts_by_them_as_served(tmp_path: Path) -> None:
    (run,) = arm_runs(toy_adaptation(cohorts=BY_VOICE), [ARMS["vector"]], [0], "voices")
    model = AdaptationTrainer(run.adaptation, toy_data(), out=tmp_path, fisher=tmp_path / FISHER)
    model.begin()
    told = told_by_voice(model.model, HEARD)
    assert told.number_of == {}
    nearest = [int(told.shares_of[f"t{number}"].argmax()) for number in range(2)]
    assert nearest == [0, 1]
    assert told.shares_of["t0"].max() > 0.9
    assert told.shares_of["t2"] == pytest.approx([0.5, 0.5])
    do(run, replace(bench(tmp_path), voices=HEARD))
    assert is_done(run, tmp_path)


def test_only_runs_that_are_told_cohorts_change_with_the_voices() -> None:
    for name in ("vector", "plain"):
        (with_voices,), (without,) = (arm_runs(WHOLE, [ARMS[name]], [0], voices) for voices in ("voices", ""))
        assert (with_voices.name != without.name) == (name == "vector")


def test_a_model_without_cohorts_is_told_of_none() -> None:
    with pytest.raises(ValueError, match="no cohort vector"):
        told_by_voice(toy_artifact().model, HEARD)


@pytest.mark.parametrize(
    ("cohorts", "told"),
    [(COHORTS, "cohorts by toy are not of voices"), (replace(BY_VOICE, embedder="others"), "voices of embedder ears")],
)
def test_voices_that_cannot_be_put_to_the_cohorts_are_refused(cohorts: Cohorts, told: str, tmp_path: Path) -> None:
    write_voices(tmp_path / "voices.npz", HEARD)
    options = parsed([*words_of_command(tmp_path), "--voices", str(tmp_path / "voices.npz")])
    with pytest.raises(InvalidRequestError, match=told):
        voices_of(options, cohorts)
    found = voices_of(options, BY_VOICE)
    assert found is not None
    assert found.of.keys() == HEARD.of.keys()
    write_voices(tmp_path / "voices.npz", Voices(HEARD.of))
    with pytest.raises(InvalidRequestError, match="a file that does not say"):
        voices_of(options, replace(BY_VOICE, embedder=""))


def test_test_talkers_without_a_voice_are_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    check_voices(HEARD, {"t0", "t1"})
    assert capsys.readouterr().err == ""
    check_voices(HEARD, {"t0", "t8", "t9"})
    assert capsys.readouterr().err.startswith("2 of 3 test talkers have no voice")
    with pytest.raises(InvalidRequestError, match="knows none of the test talkers"):
        check_voices(HEARD, {"t8"})


def test_a_folder_with_a_study_of_other_units_is_refused(tmp_path: Path) -> None:
    for name in ("utterances", "units", "others"):
        (tmp_path / name).write_text(name)
    (tmp_path / "out").mkdir()
    words = words_of_command(tmp_path / "out", tmp_path / "utterances")
    options = parsed([*words, "--units", str(tmp_path / "units")])
    prepare([], options)
    prepare([], options)
    with pytest.raises(InvalidRequestError, match="study of units"):
        prepare([], parsed([*words, "--units", str(tmp_path / "others")]))


def words_of_command(out: Path, utterances: Path | str = "none") -> list[str]:
    words = ["recipe", "--out", str(out), "--utterances", str(utterances)]
    return words + [word for name in ("artifact", "cohorts", "units") for word in (f"--{name}", "none")]


def test_a_study_warns_of_cohorts_drawn_by_its_judges(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    splits = {"t0": "test", "t1": "test", "t2": "dev"}
    write_utterances(tmp_path / "u.jsonl", (replace(each, split=splits[each.speaker]) for each in talkers(3)))
    options = parsed(words_of_command(tmp_path / "out", tmp_path / "u.jsonl"))
    judges = {each.speaker for each in judged_utterances(DataPaths.of(options), domains=domains_of(TOY))}
    warn_of_overlap(replace(COHORTS, drawn_by=("t1", "t2")), judges)
    assert capsys.readouterr().err.startswith("Caution: 1 of 2 talkers judged drew these regions")
    warn_of_overlap(replace(COHORTS, drawn_by=("t2",)), judges)
    assert capsys.readouterr().err == ""


def test_a_study_keeps_to_its_cohort(tmp_path: Path) -> None:
    words = words_of_command(tmp_path)
    with pytest.raises(InvalidRequestError, match="no cohort typo: there are even, odd"):
        settled_cohort(parsed([*words, "--cohort", "typo"]), toy_artifact(), COHORTS)
    assert settled_cohort(parsed([*words, "--cohort", "odd"]), toy_artifact(), COHORTS) == "odd"
    assert settled_cohort(parsed(words), toy_artifact(), COHORTS) == "odd"
    with pytest.raises(ServiceError, match="is a study of odd"):
        settled_cohort(parsed([*words, "--cohort", "even"]), toy_artifact(), COHORTS)


@pytest.mark.parametrize("wrong", [["--methods", "none"], ["--seeds", "a"], ["--jobs", "0"]])
def test_wrong_options_are_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    files = [word for name in ("artifact", "cohorts", "utterances", "units", "out") for word in (f"--{name}", "x")]
    with pytest.raises(SystemExit, match="2"):
        parsed(["recipe", *files, *wrong])
    assert "error:" in capsys.readouterr().err
