"""What goes wrong in the field: crashes, drains, vanished clients, corrupt files. Real processes throughout."""

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from equivox import Client, EquivoxError
from svc.backends.export import export_embedder
from svc.backends.store import ModelStore
from svc.types import Waveform
from tests.e2e.server_process import ServerProcess, server_process

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
# Embeds the file named on its command line in a loop; a process of its own, so that it can be killed.
RESTLESS_CALLER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from equivox import Client
address, path = sys.argv[1:]
with Client(address) as client, ThreadPoolExecutor(8) as pool:
    while True:
        list(pool.map(client.embed, [path] * 8))
"""


def metric(server: ServerProcess, name: str) -> float:
    with urllib.request.urlopen(server.metrics_url) as response:
        lines = response.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))


def until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    pause = threading.Event()
    ends_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < ends_s, "the condition never came true"
        pause.wait(0.05)


def test_sigterm_lets_calls_under_way_finish_then_exits_with_zero(tmp_path: Path, sample_path: Path) -> None:
    with server_process(tmp_path) as server, Client(server.address) as client, ThreadPoolExecutor(4) as pool:
        client.embed(sample_path)
        calls = [pool.submit(client.diarize, sample_path) for _ in range(2)]
        until(lambda: metric(server, "equivox_calls_in_flight") == 2)
        assert server.terminate() == 0
        assert [len(call.result().speakers) for call in calls] == [2, 2]
    assert next(line for line in server.log if line["event"] == "drained")["num_cut"] == 0


def test_acknowledged_enrolments_survive_sigkill(tmp_path: Path, sample_path: Path) -> None:
    with server_process(tmp_path) as server, Client(server.address) as client:
        client.profiles.create(profile_id="ann", consent_reference="paper")
        acknowledged = [client.profiles.enroll("ann", sample_path).profile.num_enrolments for _ in range(3)]
        assert server.kill() == -signal.SIGKILL
    with server_process(tmp_path) as server, Client(server.address) as client:
        assert client.profiles.get("ann").num_enrolments == acknowledged[-1] == 3
        assert client.identify(sample_path).best is not None


def test_callers_that_vanish_leave_nothing_behind(server: ServerProcess, sample_path: Path) -> None:
    command = [sys.executable, "-c", RESTLESS_CALLER, server.address, str(sample_path)]
    callers = [subprocess.Popen(command) for _ in range(2)]
    until(lambda: metric(server, "equivox_calls_in_flight") >= 8)
    for caller in callers:
        caller.kill()
        caller.wait()
    until(lambda: metric(server, "equivox_calls_in_flight") == 0)
    until(lambda: metric(server, "equivox_queued_clips") == 0)
    with Client(server.address) as client, ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(client.embed, [sample_path] * 8))) == 8


def test_a_deadline_that_passes_ends_the_work_too(server: ServerProcess, sample: Waveform) -> None:
    long = (sample.samples, sample.sample_rate_hz)
    with Client(server.address) as client, pytest.raises(EquivoxError) as caught:
        client.diarize(long, timeout_s=0.2)
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    until(lambda: metric(server, "equivox_calls_in_flight") == 0)


def failed_start(folder: Path, tables: dict[str, dict[str, object]]) -> dict[str, object]:
    """The log line a server that cannot start leaves behind."""
    server = ServerProcess(folder, tables)
    assert server.wait() == 1
    return next(line for line in server.log if line["event"] == "cannot serve")


@pytest.fixture
def copied(tmp_path: Path, store: ModelStore) -> ModelStore:
    """A cache that may be damaged."""
    shutil.copytree(store.folder, tmp_path / "models")
    return ModelStore(tmp_path)


def spoil_last_byte(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_corrupt_weights_stop_the_start_and_name_the_remedy(tmp_path: Path, copied: ModelStore) -> None:
    copied.exported_path("campplus").unlink(missing_ok=True)
    spoil_last_byte(copied.path("campplus"))
    line = failed_start(tmp_path, {"models": {"cache_dir": str(tmp_path)}})
    assert line["error"] == "ModelUnavailableError"
    assert "equivox models pull campplus --force" in str(line["message"])


def test_a_corrupt_graph_stops_the_start_and_names_the_remedy(tmp_path: Path, copied: ModelStore) -> None:
    spoil_last_byte(export_embedder(copied, "campplus"))
    line = failed_start(tmp_path, {"models": {"cache_dir": str(tmp_path)}})
    assert line["error"] == "ModelUnavailableError"
    assert "equivox models export campplus --force" in str(line["message"])


def test_a_missing_model_stops_the_start_and_names_the_remedy(tmp_path: Path) -> None:
    line = failed_start(tmp_path, {"models": {"cache_dir": str(tmp_path / "empty"), "offline": True}})
    assert line["error"] == "ModelUnavailableError"
    assert "equivox models pull" in str(line["message"])


def test_a_corrupt_database_stops_the_start_and_is_named(tmp_path: Path, store: ModelStore) -> None:
    (tmp_path / "profiles.sqlite3").write_bytes(b"this was a database once " * 1000)
    line = failed_start(tmp_path, {})
    assert line["error"] == "StorageError"
    assert "profiles.sqlite3" in str(line["message"])


def test_a_wrong_setting_stops_the_start_and_is_named(tmp_path: Path, store: ModelStore) -> None:
    line = failed_start(tmp_path, {"verification": {"policy": "whatever"}})
    assert "whatever" in str(line["message"])


def test_the_log_holds_amounts_but_no_voice(server: ServerProcess, sample_path: Path) -> None:
    with Client(server.address) as client:
        values = client.embed(sample_path).embedding.values
    until(lambda: any(line.get("method") == "Embeddings.Embed" for line in server.log))
    text = json.dumps(server.log)
    assert not [line for line in server.log if line["event"] == "raw"]
    assert not any(f"{value:.4f}" in text for value in values[:8] if abs(value) > 0.01)
