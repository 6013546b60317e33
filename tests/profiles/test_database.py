"""The file under load and under stress: many threads, two processes, no room."""

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from svc.errors import StorageError
from svc.profiles.sqlite import SqliteProfileStore
from tests.profiles.voices import enrolled, voice

FILL_UNTIL_FULL = """
import resource, sys
from pathlib import Path
from svc.errors import StorageError
from svc.profiles.sqlite import SqliteProfileStore
from tests.profiles.voices import enrolled, voice

store = SqliteProfileStore(Path(sys.argv[1]), key=None)
# The kernel now refuses what a full disk would refuse: any file growing past this.
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
for number in range(10_000):
    try:
        enrolled(store, f"p{number}", number)
    except StorageError as error:
        print(f"FULL {error}", flush=True)
        break
    print(number, flush=True)
# Reading goes on.
assert store.voiceprint("acme", "p0").vector.shape == voice(0).vector.shape
"""


def test_threads_write_and_read_without_losing_anything(store: SqliteProfileStore) -> None:
    store.create("acme", profile_id="shared", consent_reference="form")

    def work(number: int) -> None:
        enrolled(store, f"own-{number}", number)
        store.add_enrolments("acme", "shared", [voice(number)])
        assert store.get("acme", f"own-{number}").num_enrolments == 1
        store.voiceprint("acme", "shared")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(24)))
    assert store.get("acme", "shared").num_enrolments == 24
    assert len(store.list("acme")[0]) == 25


def test_what_one_process_commits_another_reads(database: Path) -> None:
    with SqliteProfileStore(database, key=None) as first, SqliteProfileStore(database, key=None) as second:
        enrolled(first, "jo", 1)
        second.add_enrolments("acme", "jo", [voice(2)])
        assert first.get("acme", "jo").num_enrolments == 2


def test_an_error_inside_a_transaction_undoes_all_of_it(store: SqliteProfileStore) -> None:
    with pytest.raises(sqlite3.IntegrityError), store._database.writing() as connection:
        _ = [
            connection.execute(change)
            for change in ("UPDATE clock SET revision = 7", "INSERT INTO clock VALUES (NULL)")
        ]
    assert store.revision() == 0


def test_no_room_is_a_storage_error_and_earlier_data_stays(database: Path) -> None:
    with SqliteProfileStore(database, key=None) as store:
        enrolled(store, "jo", 1)
        store._database._writer.execute("PRAGMA max_page_count = 1").fetchall()
        with pytest.raises(StorageError, match="free disk space"):
            list(map(partial(enrolled, store), map(str, range(100)), range(100)))
        assert store.get("acme", "jo").num_enrolments == 1
        store._database._writer.execute("PRAGMA max_page_count = 100000").fetchall()
        enrolled(store, "al", 2)


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="folder"):
        SqliteProfileStore(tmp_path / "file" / "profiles.sqlite3", key=None)


@pytest.mark.slow
def test_a_full_disk_loses_nothing_acknowledged(database: Path) -> None:
    command = [sys.executable, "-c", FILL_UNTIL_FULL, str(database)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    acknowledged = lines[:-1]
    assert lines[-1].startswith("FULL")
    assert len(acknowledged) > 10
    with SqliteProfileStore(database, key=None) as store:
        for number in acknowledged:
            assert store.get("acme", f"p{number}").num_enrolments == 1
        enrolled(store, "afterwards", 1)
