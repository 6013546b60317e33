"""How a command of this package ends when its caller is mistaken, and when it is itself."""

import argparse
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from svc.errors import InvalidRequestError
from training import benchmark_transcription, tune_diarization
from training.command_line import file_to_write, folder_to_write, mistakes_told


def test_a_file_that_is_not_there_is_told_without_its_number(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=rf"^error: {tmp_path}/no\.json: No such file or directory$"), mistakes_told():
        (tmp_path / "no.json").read_text()


@pytest.mark.parametrize("mistake", [InvalidRequestError("no such split"), ValueError("no such split")])
def test_a_mistake_ends_the_program_in_one_line(mistake: Exception) -> None:
    with pytest.raises(SystemExit, match=r"^error: no such split$"), mistakes_told():
        raise mistake


def test_a_package_that_is_not_installed_is_told_with_where_it_comes_from() -> None:
    with pytest.raises(SystemExit, match=r"^error: nobody_has_it is not installed: pip install"), mistakes_told():
        importlib.import_module("nobody_has_it.inner")


def test_a_module_of_ours_that_is_missing_is_a_bug() -> None:
    with pytest.raises(ModuleNotFoundError), mistakes_told():
        importlib.import_module("training.nobody_has_it")


def test_a_bug_stays_a_bug() -> None:
    with pytest.raises(ZeroDivisionError), mistakes_told():
        _ = 1 / 0


@pytest.mark.parametrize("kind", [folder_to_write, file_to_write])
def test_an_option_that_can_never_be_written_to_ends_the_program(kind: "type[Path]", tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--out", type=kind)
    with pytest.raises(argparse.ArgumentError, match=rf"argument --out: cannot write in .*{tmp_path}/taken: Not a dir"):
        parser.parse_args(["--out", str(tmp_path / "taken" / "within" / "x")])
    chosen = parser.parse_args(["--out", str(tmp_path / "new" / "within" / "x")])
    assert chosen.out == tmp_path / "new" / "within" / "x"
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_folder_is_no_file_to_write(tmp_path: Path) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is a folder: name a file in it"):
        file_to_write(str(tmp_path))


def test_ctrl_c_ends_the_program_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="130"), mistakes_told():
        raise KeyboardInterrupt
    assert capsys.readouterr().err == "interrupted\n"


def test_a_command_without_data_names_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EQUIVOX_DATA", str(tmp_path))
    with pytest.raises(SystemExit, match=rf"^error: no manifest at {tmp_path}/manifest\.csv"):
        tune_diarization.main([])


@pytest.mark.slow
def test_a_command_with_a_peer_names_what_is_missing(tmp_path: Path) -> None:
    # In a process of its own: the peer's modules warn when they are looked at.
    command = [sys.executable, "-m", "training.benchmark_diarization"]
    run = subprocess.run(command, env={**os.environ, "EQUIVOX_DATA": str(tmp_path)}, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.splitlines()[-1].startswith(f"error: no manifest at {tmp_path}/manifest.csv")
    assert "Traceback" not in run.stderr


def test_a_configuration_that_is_not_there_is_told(tmp_path: Path) -> None:
    asked = ["--utterances", "u.jsonl", "--out", str(tmp_path), "--config", str(tmp_path / "absent.toml")]
    with pytest.raises(SystemExit, match=r"^error: .*absent\.toml"):
        benchmark_transcription.main(asked)
