"""Copies of the profile database: made while a server runs, and put back in its place when none does."""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from svc.errors import StorageError
from svc.profiles.connection import is_at, is_corrupt, is_of_writing, storage_error
from svc.profiles.encryption import Cipher
from svc.profiles.schema import check_key, check_sound, damaged
from svc.whole_file import replacing

# What SQLite replays into the file of that name, whichever file that is by then.
LOGS = ("-wal", "-shm", "-journal")
# Where SQLite locks a file (https://www.sqlite.org/src/file/src/os.h): each that has it open in WAL mode shares these.
SHARED_FIRST, SHARED_SIZE = 0x40000002, 510
NO_COPY = "nothing was copied"


def back_up(database: Path, file: Path) -> None:
    """A sound copy as of one moment, its log included, for the owner alone. Other processes may read and write on.

    Raises StorageError when there is no database or it is damaged, and when `file` exists: it may be the only copy.
    """
    if file.exists():
        raise StorageError(f"{file} exists; name another file")
    database = database.resolve()
    # As a server would: what one that crashed left in the log is part of it.
    _copy(database, file, _check_copied, mode="rw")


def restore(file: Path, database: Path, cipher: Cipher) -> None:
    """Puts a copy in the place of `database`, whose log goes with it. The copy stays as it is.

    Raises StorageError when the copy is damaged, of another program, version or key, and while another process has the
    database; nothing is changed then.
    """
    if file.exists() and database.exists() and file.samefile(database):
        raise StorageError(f"{file} is the database itself; name a backup of it")

    # SQLite keeps the log beside what a link points to.
    database = database.resolve()

    def check(connection: sqlite3.Connection, path: Path) -> None:
        _check_copied(connection, path)
        check_key(connection, path, cipher)

    database.parent.mkdir(parents=True, exist_ok=True)
    with _held_alone(database):
        _copy(file.resolve(), database, check, mode="ro", before=lambda: _remove_logs(database))


def standing(database: Path) -> list[Path]:
    """What is there of a database and would be replaced."""
    return [path for path in (database, *_logs(database)) if path.exists()]


def _copy(
    source: Path,
    target: Path,
    check: Callable[[sqlite3.Connection, Path], None],
    *,
    mode: str,
    before: Callable[[], None] = lambda: None,
) -> None:
    try:
        with replacing(target) as beside:
            os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            with closing(_opened(source, mode)) as original, closing(sqlite3.connect(beside)) as copy:
                original.backup(copy)
                # One file: a copy in WAL mode would want a log beside it to be read.
                copy.execute("PRAGMA journal_mode = DELETE").fetchall()
                check(copy, source)
            before()
    except sqlite3.DatabaseError as error:
        if is_corrupt(error):
            raise StorageError(damaged(source, error, NO_COPY)) from error
        raise storage_error(target if is_of_writing(error) else source, error) from error
    _sync(target.parent)


def _check_copied(connection: sqlite3.Connection, path: Path) -> None:
    check_sound(connection, path, outcome=NO_COPY)


def _opened(path: Path, mode: str) -> sqlite3.Connection:
    """With mode "ro" nothing is written beside a copy, which may lie in a folder that cannot be written."""
    if not path.is_file():
        raise StorageError(f"there is no profile database {path}")
    # A copy without a log is nobody's: only so can one in WAL mode be read without making a log.
    alone = mode == "ro" and not any(log.exists() for log in _logs(path))
    return sqlite3.connect(f"file:{quote(str(path))}?mode={mode}{'&immutable=1' if alone else ''}", uri=True)


def _logs(database: Path) -> list[Path]:
    return [database.with_name(database.name + ending) for ending in LOGS]


def _remove_logs(database: Path) -> None:
    """Before the copy takes its place: a crash between the two must leave no log that belongs to another file."""
    for log in _logs(database):
        log.unlink(missing_ok=True)
    _sync(database.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _held_alone(database: Path) -> Iterator[None]:
    """Asks as SQLite would, but of the file alone: one that is too damaged to be opened is there to be replaced.

    Where there is none an empty one is held: a server that starts meanwhile waits.
    """
    with open(database, "r+b", opener=_private) as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, SHARED_SIZE, SHARED_FIRST)
        except OSError as error:
            raise StorageError(f"another process has {database} open; stop the server first") from error
        held = os.fstat(file.fileno())
        if not is_at(database, held):
            raise StorageError(f"another process has just replaced {database}; try again")
        try:
            yield
        finally:
            # Not replaced, and as empty as only a file made here is.
            if not held.st_size and is_at(database, held):
                database.unlink()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT, 0o600)
