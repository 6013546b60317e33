"""What hours of audio cost a fresh process, as the operating system counts it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.audio.containers import OPUS_PACKET_SAMPLES, PACKETS_PER_PAGE, silent_opus

ROOT = Path(__file__).parents[2]
PAGE_S = PACKETS_PER_PAGE * OPUS_PACKET_SAMPLES / 48_000
# Resident memory in MB before and after decoding argv[1] within argv[2] seconds, and how it ended.
MEASURE = """
import resource, sys
from pathlib import Path
from svc.audio.decode import decode_container
from svc.audio.resample import resample
from svc.config import AudioConfig
from svc.errors import AudioTooLongError
data = Path(sys.argv[1]).read_bytes()
def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = megabytes()
try:
    waveform = resample(decode_container(data, limits=AudioConfig(max_duration_s=float(sys.argv[2]))))
    outcome = round(waveform.duration_s)
except AudioTooLongError:
    outcome = -1
print(megabytes() - before, outcome)
"""


def cost_of(data: bytes, *, max_duration_s: float, folder: Path) -> tuple[float, int]:
    """Megabytes that decoding took at most, and the seconds decoded (-1 = refused as too long)."""
    (folder / "audio.ogg").write_bytes(data)
    command = [sys.executable, "-c", MEASURE, str(folder / "audio.ogg"), str(max_duration_s)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    megabytes, outcome = done.stdout.split()
    return float(megabytes), int(outcome)


@pytest.mark.slow
def test_an_hour_at_48_khz_takes_the_memory_of_16_khz(tmp_path: Path) -> None:
    megabytes, seconds = cost_of(silent_opus(round(3600 / PAGE_S)), max_duration_s=7200, folder=tmp_path)
    assert seconds == pytest.approx(3600, abs=PAGE_S)
    # 220 MB is the hour at 16 kHz, 110 MB the ten minutes that come first at 48 kHz; kept at its rate it would be 880.
    assert megabytes < 400


@pytest.mark.slow
@pytest.mark.parametrize("claims", ["the truth", "a minute"])
def test_a_bomb_is_refused_or_cut_before_it_grows(tmp_path: Path, claims: str) -> None:
    num_pages = round(10 * 3600 / PAGE_S)  # ten hours in a megabyte: 6.9 GB of samples
    bomb = silent_opus(num_pages, claimed_pages=2 if claims == "a minute" else None)
    assert len(bomb) < 2**20
    megabytes, seconds = cost_of(bomb, max_duration_s=3 * 3600, folder=tmp_path)
    assert (seconds == -1) if claims == "the truth" else (seconds <= 120)
    assert megabytes < 60
