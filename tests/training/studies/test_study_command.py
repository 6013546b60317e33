"""A study's plan: what is prepared, done and finished, in which order, and what the command ends with."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from svc.errors import InvalidRequestError
from training.command_line import names_among
from training.studies.study_command import StudyPlan, add_study_options, words_of


@dataclass(frozen=True)
class ToyRun:
    name: str
    starts: tuple[str, ...] = ()


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_study_options(parser, seeds="0,1")
    parser.add_argument("--methods", type=names_among(["uniform", "pw"], "method"))
    return parser.parse_args(["--out", "o", *arguments])


def followed(*arguments: str, done: Sequence[str] = ("a", "b"), command: str = "training.none_such") -> list[str]:
    """What happened, in order, and the exit code."""
    told: list[str] = []
    plan = StudyPlan(
        runs=[ToyRun("a"), ToyRun("b", starts=("a",))],
        command=[command],
        do=lambda run: told.append(f"do {run.name}"),
        is_done=lambda run: run.name in done,
        table=lambda: told.append("table") or "| table |",  # type: ignore[func-returns-value]
        prepare=lambda: told.append("prepare"),
        finish=lambda: told.append("finish"),
    )
    code = plan.follow(parsed(arguments))
    return [*told, str(code)]


def test_a_table_needs_nothing_prepared() -> None:
    assert followed("--table") == ["table", "0"]


def test_one_run_is_done_here_and_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))
    assert followed("--run", "b") == ["prepare", "do b", "0"]


def test_a_run_does_not_start_from_one_that_is_not_done() -> None:
    with pytest.raises(InvalidRequestError, match="b starts from a, not done yet"):
        followed("--run", "b", done=())


def test_a_run_that_is_none_names_those_there_are() -> None:
    with pytest.raises(ValueError, match="no run c; there are a, b"):
        followed("--run", "c")


def test_after_the_last_run_the_study_is_finished_and_told() -> None:
    assert followed() == ["prepare", "finish", "table", "0"]


def test_a_run_that_fails_makes_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert followed("--out", str(tmp_path), done=["b"]) == ["prepare", "finish", "table", "1"]
    assert "training.none_such" in (tmp_path / "a" / "log.txt").read_text()
    assert "FAILED" in capsys.readouterr().err


def test_options_come_back_as_words_of_a_command_line() -> None:
    options = parsed(["--seeds", "3,4", "--methods", "pw,uniform", "--jobs", "2"])
    assert (options.seeds, options.methods) == ((3, 4), ("pw", "uniform"))
    told = ["--seeds", "3,4", "--methods", "pw,uniform", "--out", "o"]
    assert words_of(options, ("seeds", "methods", "out", "run")) == told
    assert words_of(argparse.Namespace(per_cell=2), ["per_cell"]) == ["--per-cell", "2"]


@pytest.mark.parametrize(
    "wrong",
    ["--jobs 0", "--seeds 1,x", "--seeds 0,1,00", "--methods pw,x", "--methods pw,uniform,pw", "--table --run a"],
)
def test_options_that_cannot_be_end_the_program(wrong: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        parsed(wrong.split())
