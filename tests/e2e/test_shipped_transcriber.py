"""What is shipped, as a person uses it: two people who read aloud, live on a terminal, from a server with defaults."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from torchaudio.functional import edit_distance

from svc.types import MODEL_RATE_HZ
from tests.e2e.server_process import ServerProcess
from training.data.audio_files import load_waveform

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

READERS = ("saa/afrikaans5/afrikaans5.opus", "saa/english117/english117.opus")
READ_S, PAUSE_S = 6.0, 1.5
BEGINNING = [
    "please",
    "call",
    "stella",
    "ask",
    "her",
    "to",
    "bring",
    "these",
    "things",
    "with",
    "her",
    "from",
    "the",
    "store",
]
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(scope="module")
def call(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first six seconds of two test talkers' paragraph, one after the other."""
    read = [load_waveform(data_root / path).samples[: round(READ_S * MODEL_RATE_HZ)] for path in READERS]
    pause = np.zeros(round(PAUSE_S * MODEL_RATE_HZ), np.float32)
    path = tmp_path_factory.mktemp("call") / "call.wav"
    soundfile.write(path, np.concatenate([read[0], pause, read[1], pause]), MODEL_RATE_HZ)
    return path


def test_words_come_out_right_and_by_two_people(server: ServerProcess, call: Path) -> None:
    command = [sys.executable, "-m", "svc", "transcribe", "--server", server.address, "--json", str(call)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.splitlines()
    words = json.loads(lines[-1])["words"]
    by_speaker = {who: [word["text"] for word in words if word["speaker"] == who] for who in ("S0", "S1")}
    for said in by_speaker.values():
        assert edit_distance(BEGINNING, said[: len(BEGINNING)]) <= 3, by_speaker


def test_a_live_call_is_drawn_on_a_terminal_with_a_lane_for_each(server: ServerProcess, call: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "svc", "transcribe", "--server", server.address, "--realtime", str(call)]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100", "LINES": "40"}
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, env=environment) as running:
        os.close(theirs)
        drawn = ANSI.sub("", b"".join(iter(lambda: read_some(ours), b"")).decode(errors="replace"))
        assert running.wait(timeout=120) == 0, running.stderr
    os.close(ours)
    frames = drawn.split("S0")
    assert len(frames) > 10, "the lanes are drawn anew while people talk"
    assert "S1" not in frames[1], "the second lane comes with its talker"
    assert "S1" in frames[-1]
    assert "stella" in frames[-1]


def read_some(terminal: int) -> bytes:
    """Nothing once the other end is closed, which Linux tells as an error."""
    try:
        return os.read(terminal, 65_536)
    except OSError:
        return b""
