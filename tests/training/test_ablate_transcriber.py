"""The ablation study on synthetic talkers: it resumes, repeats nothing, and goes on where a run fails."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from svc.artifact import name_report, save_artifact
from svc.errors import ArtifactError, InvalidRequestError
from tests.training.data.talkers import talkers
from tests.training.finished_study import finished_once
from tests.training.toy_transcriber_run import RECIPE, SHORT, toy_data
from training.ablate_transcriber import main, parsed, plan_of
from training.data.conversation_sets import Conversation
from training.data.manifest import COLUMNS, JUDGED_SPLITS
from training.data.mixtures import MixtureSimulator
from training.distributed import World
from training.studies.ablation_conversations import STUDIES, keep, kept, prepare
from training.studies.ablation_run import (
    SCORES,
    Judging,
    Workshop,
    alone_in,
    do,
    finished_scores,
    is_done,
    judged_with_overlap,
)
from training.studies.ablation_scores import read_scores
from training.studies.ablation_variants import VARIANTS, AblationRun, runs_of
from training.studies.many_runs import Outcome, RunFailedError, do_all
from training.train_transcriber import TranscriberTrainer
from training.transcriber_data import DataPaths
from training.transcriber_recipe import read_recipe

pytestmark = pytest.mark.slow  # whole studies

CHOSEN = [VARIANTS["words"], VARIANTS["whole"]]
RUNS = runs_of(replace(RECIPE, validation_mixtures=2), CHOSEN, [0])
SIMULATOR = MixtureSimulator(talkers(), SHORT)


def judging(split: str) -> Judging:
    conversations = [
        Conversation(uri=f"{split}{seed}", domain="phrases", condition="0S", recipe=SIMULATOR.draw(seed))
        for seed in range(2)
    ]
    return Judging(conversations=conversations, sounds=toy_data().sounds)


def toy_workshop(out: Path) -> Workshop:
    return Workshop(
        out=out,
        data_of=lambda recipe: toy_data(recipe.seed, turn_tokens=recipe.turn_tokens),
        judging_of=judging,
    )


def study(out: Path, work: Callable[[AblationRun], None] | None = None) -> list[Outcome[AblationRun]]:
    shop = toy_workshop(out)
    work = work or (lambda run: do(run, shop, judged_with_overlap))
    return do_all(RUNS, work, done=lambda run: is_done(run, out), jobs=1)


finished = finished_once(study, RUNS)


def test_every_variant_is_judged_on_the_same_conversations(finished: Path) -> None:
    scores = finished_scores(RUNS, finished, read_scores)
    assert scores.keys() == {"words", "whole"}
    truth = [[(one.uri, one.words, one.turns) for one in scores[name][0].conversations] for name in scores]
    assert truth[0] == truth[1]
    assert all(words > 0 for _, words, _ in truth[0])


def test_what_is_finished_is_not_repeated(finished: Path) -> None:
    assert study(finished, work=lambda run: pytest.fail(run.name)) == []


def test_a_study_killed_within_a_run_ends_with_the_same_scores(finished: Path, tmp_path: Path) -> None:
    for run in RUNS[:-1]:
        (tmp_path / run.name).symlink_to(finished / run.name)
    last = RUNS[-1]
    trainer = TranscriberTrainer(last.recipe, toy_data(), out=tmp_path / last.name, world=World())
    trainer.start(**last.folders(tmp_path))
    next(trainer.stage_steps(0, 0))
    trainer.save()
    assert [outcome.run.name for outcome in study(tmp_path)] == [last.name]
    assert (tmp_path / last.name / SCORES).read_text() == (finished / last.name / SCORES).read_text()


def test_a_run_that_fails_is_named_and_only_what_needs_it_is_left_out(tmp_path: Path) -> None:
    bad = RUNS[-1].parts["recogniser"]
    tried: list[str] = []

    def work(run: AblationRun) -> None:
        tried.append(run.name)
        if run.name == bad:
            raise OSError("no space left")

    problems = {outcome.run.name: outcome.problem for outcome in study(tmp_path, work)}
    assert problems[RUNS[-1].name] == f"needs {bad}"
    assert {name: problem for name, problem in problems.items() if problem and name != RUNS[-1].name} == {
        bad: "no space left"
    }
    assert RUNS[-1].name not in tried
    assert len(tried) == len(RUNS) - 1


def test_runs_wait_for_what_they_start_from_when_several_go_at_once(tmp_path: Path) -> None:
    ended: list[str] = []

    def work(run: AblationRun) -> None:
        assert set(run.starts) <= set(ended)
        ended.append(run.name)

    outcomes = do_all(RUNS, work, done=lambda run: False, jobs=4)
    assert [outcome.problem for outcome in outcomes] == [None] * len(RUNS)


def test_runs_of_one_name_are_one() -> None:
    tried: list[str] = []
    first = replace(RUNS[0], name="first")
    outcomes = do_all([first, first], lambda run: tried.append(run.name), done=lambda run: False, jobs=2)
    assert [outcome.run.name for outcome in outcomes] == tried == ["first"]


def test_a_run_that_waits_holds_no_other_up(tmp_path: Path) -> None:
    first, second = (replace(RUNS[0], name=name) for name in ("first", "second"))
    waits = replace(RUNS[-1], name="waits", parts={"recogniser": "first"})
    second_began = threading.Event()

    def work(run: AblationRun) -> None:
        if run.name == "first":
            assert second_began.wait(timeout=60)
        if run.name == "second":
            second_began.set()

    outcomes = do_all([first, waits, second], work, done=lambda run: False, jobs=2)
    assert [outcome.run.name for outcome in outcomes if outcome.problem is None] == ["first", "waits", "second"]


def test_two_processes_do_not_train_one_run(tmp_path: Path) -> None:
    with alone_in(tmp_path), pytest.raises(ArtifactError, match="another process"), alone_in(tmp_path):
        pass
    with alone_in(tmp_path):
        pass


def test_conversations_are_kept_to_the_last_digit(tmp_path: Path) -> None:
    drawn = judging("dev").conversations
    keep(tmp_path, "dev", drawn)
    assert kept(tmp_path, "dev") == drawn


@pytest.mark.parametrize(
    "other",
    [
        {"per_cell": 3},
        {"per_cell": 1},
        {"domains": ("digits",)},
        {"domains": ("phrases", "digits")},
        {"conditions": ()},
    ],
)
def test_conversations_other_than_those_kept_are_refused(tmp_path: Path, other: dict[str, Any]) -> None:
    study = replace(STUDIES["commands"], domains=("phrases",), conditions=("0S",), per_cell=2, dev_per_cell=2)
    utterances = tmp_path / "utterances"
    utterances.write_text("")
    paths = DataPaths(utterances=utterances, units=utterances, root=tmp_path, cache=tmp_path)
    for split in JUDGED_SPLITS:
        keep(tmp_path, split, judging(split).conversations)
    prepare(study, paths, tmp_path)
    with pytest.raises(
        InvalidRequestError, match=r"conversations-(dev|test)\.jsonl holds 2 of phrases 0S, .* another --out"
    ):
        prepare(replace(study, **other), paths, tmp_path)


def test_a_folder_of_other_data_is_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    paths = DataPaths(utterances=tmp_path / "a", units=tmp_path / "a", root=tmp_path, cache=tmp_path)
    nothing = replace(STUDIES["commands"], domains=())
    (tmp_path / "manifest.csv").write_text(",".join(COLUMNS) + "\n")
    (tmp_path / "a").write_text("")
    prepare(nothing, paths, tmp_path / "out")
    told = (tmp_path / "out" / "data.json").stat().st_mtime_ns
    prepare(nothing, paths, tmp_path / "out")
    assert (tmp_path / "out" / "data.json").stat().st_mtime_ns == told, "another run may be reading it"
    with pytest.raises(InvalidRequestError, match="give another --out"):
        prepare(nothing, replace(paths, units=tmp_path / "b"), tmp_path / "out")


def test_an_artifact_may_stand_for_its_units(tmp_path: Path) -> None:
    utterances = tmp_path / "utterances"
    utterances.write_text("")
    (tmp_path / "manifest.csv").write_text(",".join(COLUMNS) + "\n")
    for card in ("one", "other"):
        save_artifact(tmp_path / card, {"a": np.zeros(1, np.float32)}, {"kind": "transcriber", "name": card})
    paths = DataPaths(utterances=utterances, units=tmp_path / "one", root=tmp_path, cache=tmp_path)
    nothing = replace(STUDIES["commands"], domains=())
    prepare(nothing, paths, tmp_path / "out")
    name_report(tmp_path / "one", b"{}")
    prepare(nothing, paths, tmp_path / "out")  # it is the same artifact with a report as without
    with pytest.raises(InvalidRequestError, match="give another --out"):
        prepare(nothing, replace(paths, units=tmp_path / "other"), tmp_path / "out")


def test_the_table_needs_no_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = str(tmp_path / "none")
    with pytest.raises(SystemExit) as ended:
        main(["commands", "--utterances", nowhere, "--units", nowhere, "--out", nowhere, "--table"])
    assert ended.value.code == 0
    assert "no finished run yet" in capsys.readouterr().out


def test_a_run_in_a_process_of_its_own_says_why_it_failed(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "none")
    options = parsed(["commands", "--utterances", nowhere, "--units", nowhere, "--out", str(tmp_path)])
    (run,) = runs_of(read_recipe(STUDIES["commands"].recipe), [VARIANTS["whole"]], [0])[-1:]
    with pytest.raises(RunFailedError, match=rf"error: no file {nowhere} \(exit code 1, .*log.txt"):
        plan_of(options).do_in_a_process(run, options)


@pytest.mark.parametrize("wrong", [["--variants", "none"], ["--seeds", "a"], ["--jobs", "0"]])
def test_wrong_options_are_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["english", "--utterances", "u", "--units", "f", "--out", "o", *wrong])
    assert "error:" in capsys.readouterr().err
