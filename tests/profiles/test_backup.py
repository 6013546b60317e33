"""Copies of the database: made beside a running server, and put back whatever the last one left."""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from svc.errors import StorageError
from svc.profiles import backup
from svc.profiles.backup import back_up, restore
from svc.profiles.encryption import PlainCipher, cipher_for, new_key
from svc.profiles.schema import SCHEMA_VERSION, check_sound
from svc.profiles.sqlite import SqliteProfileStore
from tests.profiles.full_disk import full_disk, make_large
from tests.profiles.test_schema import change
from tests.profiles.voices import enrolled

# Enrols the named ones, says so, and then keeps the file open until it is killed.
SERVER = """
import sys, time
from pathlib import Path
from svc.profiles.sqlite import SqliteProfileStore
from tests.profiles.voices import enrolled

store = SqliteProfileStore(Path(sys.argv[1]), key=None)
for name in sys.argv[2:]:
    enrolled(store, name, 1)
print("ready", flush=True)
time.sleep(600)
"""


@contextmanager
def starting(database: Path, *names: str) -> Iterator[subprocess.Popen[str]]:
    """Another process about to open the database, killed at the end: its log stays behind."""
    command = [sys.executable, "-c", SERVER, str(database), *names]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def server(database: Path, *names: str) -> Iterator[None]:
    """Another process with the database open."""
    with starting(database, *names) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield


def has_open(process: subprocess.Popen[str], file: Path) -> bool:
    with suppress(FileNotFoundError):  # of one it closes at this moment
        return any(link.samefile(file) for link in Path(f"/proc/{process.pid}/fd").iterdir())
    return False


def make(database: Path, *names: str, key: bytes | None = None) -> None:
    with SqliteProfileStore(database, key=key) as store:
        for name in names:
            enrolled(store, name, 1)


def people(database: Path, key: bytes | None = None) -> list[str]:
    with SqliteProfileStore(database, key=key) as store:
        return sorted(profile.profile_id for profile in store.list("acme")[0])


def test_a_copy_beside_a_server_holds_what_stands_in_its_log_and_is_one_private_file(
    database: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copies" / "copy.sqlite3"
    copy.parent.mkdir()
    with server(database, "jo", "al"):
        back_up(database, copy)
    assert [(file.name, file.stat().st_mode & 0o777) for file in copy.parent.iterdir()] == [("copy.sqlite3", 0o600)]
    assert people(copy) == ["al", "jo"]


def test_what_a_crash_left_in_the_log_does_not_reach_the_restored_file(database: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite3"
    make(database, "jo")
    back_up(database, copy)
    with server(database, *(f"late-{number}" for number in range(20))):
        pass
    assert database.with_name("profiles.sqlite3-wal").stat().st_size > 0
    restore(copy, database, PlainCipher())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["copy.sqlite3", "profiles.sqlite3"]
    assert database.stat().st_mode & 0o777 == 0o600
    assert people(database) == ["jo"]


def test_a_file_that_a_process_has_open_is_not_replaced(database: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite3"
    make(copy, "jo")
    with server(database, "al"):
        with pytest.raises(StorageError, match=r"another process has .* stop the server"):
            restore(copy, database, PlainCipher())
        assert people(database) == ["al"]


@pytest.mark.parametrize("there", [True, False], ids=["a database before", "none before"])
def test_a_server_that_starts_meanwhile_touches_neither_file(
    there: bool, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy.sqlite3"
    make(copy, "jo")
    if there:
        make(database, *(f"before-{number}" for number in range(20)))

    def check_once_opened(connection: sqlite3.Connection, path: Path, *, outcome: str) -> None:
        while not has_open(process, database):
            time.sleep(0.01)
        time.sleep(1)  # it would be ready by now, were it not held up
        check_sound(connection, path, outcome=outcome)

    monkeypatch.setattr(backup, "check_sound", check_once_opened)
    with starting(database, "al") as process:
        restore(copy, database, PlainCipher())
        output, errors = process.communicate(timeout=30)
    assert output == ""
    assert "was replaced while it was being opened" in errors
    assert people(database) == ["jo"]


def test_a_restore_that_fails_where_there_was_no_database_leaves_none(database: Path, tmp_path: Path) -> None:
    scribble(tmp_path / "copy.sqlite3")
    with pytest.raises(StorageError, match="no sound profile database"):
        restore(tmp_path / "copy.sqlite3", database, PlainCipher())
    assert [file.name for file in tmp_path.iterdir()] == ["copy.sqlite3"]


def test_a_database_too_damaged_to_open_is_replaced(database: Path, tmp_path: Path) -> None:
    make(tmp_path / "copy.sqlite3", "jo")
    database.write_bytes(b"no database at all" * 1000)
    restore(tmp_path / "copy.sqlite3", database, PlainCipher())
    assert people(database) == ["jo"]


def test_a_copy_is_read_from_a_folder_that_cannot_be_written(database: Path, tmp_path: Path) -> None:
    # As a hand-made copy of a file in WAL mode, which SQLite would want to put a log beside.
    make(tmp_path / "away" / "copy.sqlite3", "jo")
    os.chmod(tmp_path / "away", 0o500)
    restore(tmp_path / "away" / "copy.sqlite3", database, PlainCipher())
    assert [file.name for file in (tmp_path / "away").iterdir()] == ["copy.sqlite3"]
    assert people(database) == ["jo"]


@contextmanager
def writable_schema(copy: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        yield connection


def cut_an_index(copy: Path) -> None:
    """A row that an index does not know, hidden while it came: quick_check finds nothing."""
    with writable_schema(copy) as connection:
        [index] = connection.execute("SELECT * FROM sqlite_schema WHERE name = 'removals_by_revision'").fetchall()
        connection.execute("DELETE FROM sqlite_schema WHERE name = 'removals_by_revision'")
    change(copy, "INSERT INTO removals VALUES (99, 1, 'acme', '')")
    with writable_schema(copy) as connection:
        connection.execute("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", index)


def scribble(copy: Path) -> None:
    copy.write_bytes(b"not a database" * 1000)


def empty(copy: Path) -> None:
    copy.write_bytes(b"")


def make_newer(copy: Path) -> None:
    change(copy, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")


def remove(copy: Path) -> None:
    copy.unlink()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (cut_an_index, "no sound profile database .*removals_by_revision"),
        (scribble, "no sound profile database"),
        (empty, "of another program"),
        (make_newer, "upgrade Equivox"),
        (remove, "there is no profile database"),
    ],
)
def test_what_is_no_sound_backup_replaces_nothing(
    spoil: Callable[[Path], None], told: str, database: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.sqlite3"
    make(database, "jo")
    make(copy, "al")
    spoil(copy)
    with pytest.raises(StorageError, match=told):
        restore(copy, database, PlainCipher())
    assert people(database) == ["jo"]
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


def test_a_copy_of_another_key_replaces_nothing(database: Path, tmp_path: Path) -> None:
    key = new_key()
    make(database, "jo", key=key)
    back_up(database, tmp_path / "copy.sqlite3")  # needs no key
    with pytest.raises(StorageError, match="encrypted with another key"):
        restore(tmp_path / "copy.sqlite3", database, cipher_for(new_key()))
    restore(tmp_path / "copy.sqlite3", database, cipher_for(key))
    assert people(database, key) == ["jo"]


def test_a_full_disk_is_not_blamed_on_the_database(database: Path, tmp_path: Path) -> None:
    make_large(database)
    with full_disk(), pytest.raises(StorageError, match=r"^cannot use .*copy.sqlite3 \(disk I/O error\).* has room"):
        back_up(database, tmp_path / "copy.sqlite3")
    assert [file.name for file in tmp_path.iterdir()] == ["profiles.sqlite3"]


def test_a_backup_never_replaces_a_file(database: Path) -> None:
    make(database, "jo")
    for taken in (database, Path(__file__)):
        with pytest.raises(StorageError, match="exists; name another file"):
            back_up(database, taken)
    with pytest.raises(StorageError, match="is the database itself"):
        restore(database, database, PlainCipher())
    assert people(database) == ["jo"]
