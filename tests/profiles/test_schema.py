"""Opening a file: whole, ours, of our version, of our key, or a StorageError that says what to do."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from svc.errors import StorageError
from svc.profiles.encryption import new_key
from svc.profiles.schema import SCHEMA_VERSION
from svc.profiles.sqlite import SqliteProfileStore
from tests.profiles.voices import enrolled


def change(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()


def test_a_newer_schema_is_refused(database: Path) -> None:
    SqliteProfileStore(database, key=None).close()
    change(database, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(StorageError, match="upgrade Equivox"):
        SqliteProfileStore(database, key=None)


@pytest.mark.parametrize("made_with", [None, new_key()], ids=["plain", "sealed"])
@pytest.mark.parametrize("opened_with", [None, new_key()], ids=["without", "another"])
def test_the_wrong_key_is_refused(database: Path, made_with: bytes | None, opened_with: bytes | None) -> None:
    SqliteProfileStore(database, key=made_with).close()
    if made_with is opened_with is None:
        SqliteProfileStore(database, key=opened_with).close()
        return
    with pytest.raises(StorageError, match=f"{database.name}.*key_file"):
        SqliteProfileStore(database, key=opened_with)
    SqliteProfileStore(database, key=made_with).close()


def test_another_programs_database_is_left_alone(database: Path) -> None:
    change(database, "CREATE TABLE theirs (a)")
    before = database.read_bytes()
    with pytest.raises(StorageError, match="another program"):
        SqliteProfileStore(database, key=None)
    assert database.read_bytes() == before


def scribble_header(path: Path) -> None:
    path.write_bytes(b"this is not a database at all" * 100)


def scribble_pages(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[8192:] = os.urandom(len(content) - 8192)
    path.write_bytes(content)


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 // 4096 * 4096)


@pytest.mark.parametrize("damage", [scribble_header, scribble_pages, cut_short])
def test_a_corrupt_file_is_named_with_a_remedy(database: Path, damage: Callable[[Path], None]) -> None:
    with SqliteProfileStore(database, key=None) as store:
        for number in range(20):
            enrolled(store, f"p{number}", number)
    damage(database)
    with pytest.raises(StorageError, match=r"profiles\.sqlite3 is corrupt.*profiles restore.*-wal.*-shm.*\.recover"):
        SqliteProfileStore(database, key=None)


def test_a_file_copied_there_by_hand_becomes_its_owners_alone(database: Path) -> None:
    SqliteProfileStore(database, key=None).close()
    database.chmod(0o644)
    with SqliteProfileStore(database, key=None):
        assert not [file for file in database.parent.glob("profiles*") if file.stat().st_mode & 0o077]


def test_only_the_owner_can_read_the_files(database: Path) -> None:
    with SqliteProfileStore(database, key=None) as store:
        enrolled(store, "jo", 1)
        files = list(database.parent.glob("profiles.sqlite3*"))
        assert len(files) == 3
        assert not [file for file in files if file.stat().st_mode & 0o077]
