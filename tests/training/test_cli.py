"""`equivox evaluate verification` as a person or a script calls it."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from tests.training.conftest import RATE_HZ
from tests.training.toy_system import SpectrumEmbedder, spectrum_system
from training.cli import evaluate_app
from training.data.trial_list import write_trials
from training.data.trials import draw_trials
from training.report_page.page import render_page
from training.systems import System


@pytest.fixture
def arguments(corpus_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command on the synthetic corpus with the toy system in place of the pretrained one."""
    listen_with(SpectrumEmbedder(), monkeypatch)
    write_trials(tmp_path / "t.csv", draw_trials("hyke", root=corpus_root))
    paths = ["--trials", str(tmp_path / "t.csv"), "--audio-root", str(corpus_root), "--out", str(tmp_path / "out")]
    return ["verification", *paths, "--replicas", "20"]


def listen_with(embedder: SpectrumEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    def toy(application: object) -> System:
        return spectrum_system(embedder)

    monkeypatch.setattr("training.systems.equivox_system", toy)


def test_json_goes_to_stdout_alone_and_equals_the_report(arguments: list[str], tmp_path: Path) -> None:
    answer = CliRunner().invoke(evaluate_app, [*arguments, "--json"])
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout) == json.loads((tmp_path / "out" / "report.json").read_text())


def test_the_report_is_a_page_too(arguments: list[str], tmp_path: Path) -> None:
    assert CliRunner().invoke(evaluate_app, arguments).exit_code == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (tmp_path / "out" / "report.html").read_text() == render_page(report)


def test_people_get_a_table(arguments: list[str]) -> None:
    answer = CliRunner().invoke(evaluate_app, arguments, env={"COLUMNS": "200"})
    assert answer.exit_code == 0, answer.output
    assert "EER %" in answer.stdout
    assert "18 target and 54 nontarget trials of 6 speakers" in answer.stdout
    assert "female" in answer.stdout


def test_mistakes_end_with_a_message_and_no_traceback(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("enrolment,test,target\nhyke/0/0.wav,absent.wav,1\nhyke/0/0.wav,hyke/2/0.wav,0\n")
    answer = CliRunner().invoke(evaluate_app, arguments)
    assert answer.exit_code == 1
    assert "t.csv:2: no such file" in answer.output
    assert not (tmp_path / "out").exists()


def test_voices_outlive_an_unreadable_recording(
    arguments: list[str], corpus_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = draw_trials("hyke", root=corpus_root)
    copytree(corpus_root / "hyke", tmp_path / "hyke")
    soundfile.write(tmp_path / "broken.wav", np.full(RATE_HZ, np.nan), RATE_HZ, subtype="FLOAT")
    write_trials(tmp_path / "t.csv", [*trials, replace(trials[0], enrolment="broken.wav")])
    arguments = [*arguments, "--audio-root", str(tmp_path), "--voices", str(tmp_path / "voices")]
    answer = CliRunner().invoke(evaluate_app, arguments)
    assert (answer.exit_code, f"t.csv:{len(trials) + 2}: " in answer.output) == (1, True)
    write_trials(tmp_path / "t.csv", trials)
    again = SpectrumEmbedder()
    listen_with(again, monkeypatch)
    assert CliRunner().invoke(evaluate_app, arguments).exit_code == 0
    assert again.num_embedded == 0


def test_the_command_itself_imports_nothing_heavy() -> None:
    code = "import training.cli, sys; print(sorted({'numpy', 'torch', 'scipy'} & sys.modules.keys()))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
