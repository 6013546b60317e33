"""A real server in a process of its own, as `equivox serve` starts it, on free ports and with a database of its own."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

START_S = 120.0
Tables = dict[str, dict[str, Any]]


class ServerProcess:
    """Started by the constructor; `wait_for` follows its log."""

    def __init__(self, folder: Path, tables: Tables | None = None) -> None:
        config = folder / "equivox.toml"
        config.write_text(to_toml(folder, tables or {}))
        self.log: list[dict[str, Any]] = []
        self._grew = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "svc", "serve", "--config", str(config)],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._grew:
                self.log.append(json.loads(line) if line.startswith("{") else {"event": "raw", "line": line.rstrip()})
                self._grew.notify_all()
        with self._grew:
            self.log.append({"event": "exited"})
            self._grew.notify_all()

    def wait_for(self, event: str, timeout_s: float = START_S) -> dict[str, Any]:
        """The first line of that event. Raises when the process ends before it comes."""

        def come() -> bool:
            return any(line["event"] in (event, "exited") for line in self.log)

        with self._grew:
            came = self._grew.wait_for(come, timeout_s)
            found = next((line for line in self.log if line["event"] == event), None)
        if not came or found is None:
            raise RuntimeError(f"no {event!r} in the server's log: {self.log[-20:]}")
        return found

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.wait_for('listening')['port']}"

    @property
    def metrics_url(self) -> str:
        return f"http://127.0.0.1:{self.wait_for('listening')['metrics_port']}/metrics"

    @property
    def rss_bytes(self) -> int:
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def terminate(self, timeout_s: float = 60.0) -> int:
        """SIGTERM, then the exit code."""
        return self._end(lambda: self.process.send_signal(signal.SIGTERM), timeout_s)

    def kill(self) -> int:
        """SIGKILL: no last words."""
        return self._end(self.process.kill, 30.0)

    def wait(self, timeout_s: float = 60.0) -> int:
        """The exit code of a process that ends by itself."""
        return self._end(lambda: None, timeout_s)

    def _end(self, how: Callable[[], None], timeout_s: float) -> int:
        how()
        try:
            code = self.process.wait(timeout_s)
        finally:
            self.process.kill()
            self.process.wait()
            self._reader.join(10)
            if self.process.stderr:
                self.process.stderr.close()
        return code


def to_toml(folder: Path, tables: Tables) -> str:
    """The configuration file: `tables` over free ports and a database in `folder`."""
    own: Tables = {
        "server": {"address": "127.0.0.1:0", "metrics_address": "127.0.0.1:0"},
        "profiles": {"database": str(folder / "profiles.sqlite3")},
    }
    merged = {name: {**own.get(name, {}), **tables.get(name, {})} for name in own.keys() | tables.keys()}
    # JSON's strings, numbers and booleans are TOML's too.
    blocks = (
        "\n".join([f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())])
        for name, table in merged.items()
    )
    return "\n\n".join(blocks) + "\n"


@contextmanager
def server_process(folder: Path, tables: Tables | None = None) -> Iterator[ServerProcess]:
    """A server that is ready; killed at the end unless it ended before."""
    server = ServerProcess(folder, tables)
    try:
        server.wait_for("ready")
        yield server
    finally:
        if server.process.poll() is None:
            server.kill()
