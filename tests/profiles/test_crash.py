"""Killed at any point, the store keeps every enrolment it acknowledged."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from svc.profiles.encryption import load_key, new_key, save_key
from svc.profiles.index import VoiceIndex
from svc.profiles.sqlite import SqliteProfileStore
from tests.profiles.voices import MODEL

KILLS = 15
# Prints an acknowledgement after each call returns; deletes every fifth profile so that erasing is interrupted, too.
ENROL_FOR_EVER = """
import itertools, sys
from pathlib import Path
from svc.profiles.encryption import load_key
from svc.profiles.sqlite import SqliteProfileStore
from tests.profiles.voices import enrolled, voice

store = SqliteProfileStore(Path(sys.argv[1]), key=load_key(Path(sys.argv[2])))
print("ready", flush=True)
for number in itertools.count():
    name = f"{sys.argv[3]}-{number}"
    enrolled(store, name, number)
    print("enrolled", name, 1, flush=True)
    store.add_enrolments("acme", name, [voice(number + 1), voice(number + 2)])
    print("enrolled", name, 3, flush=True)
    if number % 5 == 4:
        print("deleting", name, 0, flush=True)
        store.delete("acme", name)
"""


def acknowledged_before_a_kill(database: Path, key_file: Path, *, run: int, after_s: float) -> list[list[str]]:
    """What a run of its own process said before SIGKILL."""
    command = [sys.executable, "-c", ENROL_FOR_EVER, str(database), str(key_file), str(run)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(after_s)
        process.kill()
        output = process.stdout.read()
    # A line cut by the kill was not heard.
    return [line.split() for line in output.split("\n")[:-1]]


@pytest.mark.slow
def test_sigkill_loses_no_acknowledged_enrolment(database: Path, tmp_path: Path) -> None:
    save_key(tmp_path / "key", new_key())
    moments = random.Random(0)
    expected: dict[str, int] = {}
    for run in range(KILLS):
        for _, name, count in acknowledged_before_a_kill(
            database, tmp_path / "key", run=run, after_s=moments.uniform(0, 0.15)
        ):
            expected[name] = int(count)
        with SqliteProfileStore(database, key=load_key(tmp_path / "key")) as store:
            check(store, expected)
    assert sum(count > 0 for count in expected.values()) > KILLS


def check(store: SqliteProfileStore, expected: dict[str, int]) -> None:
    found = {profile.profile_id: profile.num_enrolments for profile in store.list("acme", page_size=1000)[0]}
    for name, count in expected.items():
        # Announced deletions may or may not have happened; a call in flight may have committed unheard.
        assert found.get(name, 0) >= count
        if name in found and count:
            assert len(store.enrolments("acme", name)) == found[name]
    with VoiceIndex(store) as index:
        assert index.size("acme", MODEL) == sum(count > 0 for count in found.values())
