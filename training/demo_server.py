"""The demo's server: a real one in a process of its own, with a fresh configuration, which must stop well too."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from equivox import Client

READY_S, STOP_S, POLL_S = 120.0, 30.0, 0.5
Process = subprocess.Popen[bytes]
TOKEN = "demo-token"


@contextmanager
def running_server(folder: Path) -> Iterator[tuple[str, Process]]:
    """A server process with its profiles in `folder`: yields its address and itself; SIGTERM must make it end well."""
    config, log = write_config(folder), folder / "server.log"
    with log.open("wb") as sink:
        process = subprocess.Popen([sys.executable, "-m", "svc", "serve", "--config", config], stdout=sink, stderr=sink)
    try:
        yield f"127.0.0.1:{listening_port(process, log)}", process
    except BaseException:
        print(f"the server's last words:\n{log.read_text()[-3000:]}", file=sys.stderr)
        raise
    finally:
        process.terminate()
        try:
            exit_code = process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            exit_code = process.wait()
    if exit_code != 0:
        raise RuntimeError(f"the server did not stop cleanly: exit code {exit_code}\n{log.read_text()[-3000:]}")


def write_config(folder: Path) -> Path:
    """A free port, a token, and a fresh encrypted profile database."""
    equivox("profiles", "new-key", str(folder / "profiles.key"))
    (folder / "tokens.toml").write_text(f'"{TOKEN}" = "demo"\n')
    config = folder / "equivox.toml"
    config.write_text(
        f"""[profiles]
database = {json.dumps(str(folder / "profiles.sqlite3"))}
key_file = {json.dumps(str(folder / "profiles.key"))}
[transcription]
second_pass = true
second_pass_patience_s = 30.0
[server]
address = "127.0.0.1:0"
metrics_address = ""
tokens_file = {json.dumps(str(folder / "tokens.toml"))}
"""
    )
    return config


def equivox(*arguments: str) -> None:
    """Runs the command line as a person would."""
    subprocess.run([sys.executable, "-m", "svc", *arguments], check=True, stdout=subprocess.DEVNULL)


def listening_port(process: "subprocess.Popen[bytes]", log: Path) -> int:
    """The port out of the server's log, once it is there."""
    end_s = time.monotonic() + READY_S
    while time.monotonic() < end_s:
        for line in log.read_text().splitlines():
            if '"listening"' in line:
                return int(json.loads(line)["port"])
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with exit code {process.returncode} before it listened")
        time.sleep(0.05)
    raise TimeoutError(f"the server did not listen within {READY_S:g} s")


def wait_until_ready(client: Client, process: Process) -> None:
    """Returns once the server is healthy. Raises RuntimeError as soon as it has ended, TimeoutError after READY_S."""
    end_s = time.monotonic() + READY_S
    while not client.healthy(timeout_s=POLL_S):
        if process.poll() is not None:
            raise RuntimeError("the server ended before it was ready")
        if time.monotonic() > end_s:
            raise TimeoutError(f"the server was not ready within {READY_S:g} s")
        time.sleep(POLL_S)
