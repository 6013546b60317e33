"""A disk that fills under a running server: a small tmpfs, which only root may mount."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from equivox import Client, EquivoxError
from tests.e2e.server_process import server_process

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
SIZE_BYTES = 2 * 2**20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_BYTES}", "tmpfs", disk], check=False).returncode:
        pytest.skip("a small disk needs the right to mount one (root)")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def fill(disk: Path) -> Path:
    """Leaves no byte free; the file to delete for room."""
    ballast = disk / "ballast"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    ballast.write_bytes(b"\1" * free)
    return ballast


def enrol_until_refused(client: Client, clip: Path) -> tuple[int, EquivoxError]:
    """What is allocated to the log already takes a few more; how many, and what the one after them met."""
    for acknowledged in range(50):
        try:
            client.profiles.enroll("ann", clip)
        except EquivoxError as error:
            return acknowledged, error
    raise AssertionError("fifty enrolments on a full disk")


def test_a_full_disk_refuses_enrolments_and_loses_none(tmp_path: Path, small_disk: Path, sample_path: Path) -> None:
    tables = {"profiles": {"database": str(small_disk / "profiles.sqlite3")}}
    with server_process(tmp_path, tables) as server, Client(server.address) as client:
        client.profiles.create(profile_id="ann", consent_reference="paper")
        kept = client.profiles.enroll("ann", sample_path).profile.num_enrolments
        ballast = fill(small_disk)
        acknowledged, error = enrol_until_refused(client, sample_path)
        kept += acknowledged
        assert (error.reason, error.code) == ("STORAGE_UNAVAILABLE", grpc.StatusCode.UNAVAILABLE)
        assert client.profiles.get("ann").num_enrolments == kept
        ballast.unlink()
        assert client.profiles.enroll("ann", sample_path).profile.num_enrolments == kept + 1
