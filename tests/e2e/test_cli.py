"""The command line against a real server, and in process: both ways must say the same."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.cli.conftest import run as run  # the fixture
from tests.e2e.server_process import ServerProcess

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """In-process settings with a database of their own."""
    (tmp_path / "equivox.toml").write_text(f"[profiles]\ndatabase = {json.dumps(str(tmp_path / 'p.sqlite3'))}\n")
    return tmp_path / "equivox.toml"


def answer(run: Run, *arguments: object) -> Any:  # noqa: ANN401 - whatever JSON holds
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("arguments", [["embed"], ["diarize", "--speakers", "2"]], ids=["embed", "diarize"])
def test_in_process_and_over_the_wire_give_one_answer(
    arguments: list[str], run: Run, server: ServerProcess, config: Path, sample_path: Path
) -> None:
    remote = answer(run, *arguments, sample_path, "--server", server.address)
    local = answer(run, *arguments, sample_path, "--config", config)
    assert rounded(local) == rounded(remote)


def rounded(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Floats to three digits: batches round differently."""
    match value:
        case float():
            return round(value, 3) + 0.0
        case list():
            return [rounded(item) for item in value]
        case dict():
            return {key: rounded(item) for key, item in value.items()}
    return value


def test_a_person_is_enrolled_verified_found_and_forgotten(
    run: Run, config: Path, sample_path: Path, tmp_path: Path
) -> None:
    answer(run, "profiles", "create", "anna", "--consent", "e2e", "--expires", "1d", "--config", config)
    enrolled = answer(run, "profiles", "enroll", "anna", sample_path, "--config", config)
    assert enrolled["profile"]["num_enrolments"] == 1
    answer(run, "embed", sample_path, "--out", tmp_path / "e.json", "--config", config)
    verified = answer(run, "verify", "profile:anna", f"embedding:{tmp_path / 'e.json'}", "--config", config)
    assert verified["decision"] == "accept"
    assert answer(run, "identify", sample_path, "--config", config)["matches"][0]["profile_id"] == "anna"
    assert answer(run, "profiles", "delete", "anna", "-y", "--config", config)["num_enrolments_deleted"] == 1
    assert answer(run, "profiles", "list", "--config", config) == []


def test_an_error_reads_the_same_in_process_and_over_the_wire(run: Run, server: ServerProcess, config: Path) -> None:
    remote = run("profiles", "get", "nobody", "--server", server.address)
    local = run("profiles", "get", "nobody", "--config", config)
    assert remote.exit_code == local.exit_code == 1
    assert remote.stderr == local.stderr
    assert "PROFILE_NOT_FOUND" in local.stderr


def test_pulled_models_are_listed_as_good(run: Run, server: ServerProcess) -> None:
    assert {model["state"] for model in answer(run, "models", "list")} == {"good"}
    assert run("models", "verify").exit_code == 0
    assert run("models", "verify", "no-such-model").exit_code == 1


def test_a_key_is_written_once_for_its_owner(run: Run, tmp_path: Path) -> None:
    assert run("profiles", "new-key", tmp_path / "k").exit_code == 0
    assert (tmp_path / "k").stat().st_mode & 0o777 == 0o600
    assert run("profiles", "new-key", tmp_path / "k").exit_code == 1


def test_health_of_a_real_server(run: Run, server: ServerProcess) -> None:
    assert run("health", "equivox.v1.Verification", "--server", server.address).exit_code == 0


def test_a_pipe_gets_rttm_and_nothing_else(server: ServerProcess, sample_path: Path) -> None:
    command = [sys.executable, "-m", "svc", "diarize", str(sample_path), "--rttm", "-", "--server", server.address]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stderr == ""
    assert {line.split()[0] for line in run.stdout.splitlines()} == {"SPEAKER"}
