"""Connections to the profile database as all who write it open them, and what their errors mean."""

import os
import sqlite3
from pathlib import Path

from svc.errors import StorageError
from svc.profiles.schema import corrupt

_WRITE_CODES = (
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_DIR_FSYNC,
    sqlite3.SQLITE_IOERR_TRUNCATE,
)


def connect(path: Path, *, timeout_s: float) -> sqlite3.Connection:
    """`timeout_s`: how long to wait for another process before giving up. Rows are by name."""
    # isolation_level=None: we say BEGIN ourselves. A connection wanders between threads, one at a time.
    connection = sqlite3.connect(path, timeout_s, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    try:
        for pragma in ("synchronous = FULL", "secure_delete = ON", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        # A sorter that spills would leave copies of rows in temporary files.
        connection.execute("PRAGMA temp_store = MEMORY")
    except BaseException:
        connection.close()
        raise
    return connection


def is_at(path: Path, file: os.stat_result) -> bool:
    """Whether `path` still leads to that file: a connection keeps the one it opened, whatever takes its place."""
    return path.exists() and os.path.samestat(path.stat(), file)


def is_busy(error: sqlite3.DatabaseError | OSError) -> bool:
    """Whether another process stood in the way."""
    return _primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_corrupt(error: sqlite3.DatabaseError | OSError) -> bool:
    """Whether the file is damaged or no database."""
    return _primary_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_of_writing(error: sqlite3.DatabaseError) -> bool:
    """Whether it can only come of a file that is written to."""
    return _primary_code(error) == sqlite3.SQLITE_FULL or error.sqlite_errorcode in _WRITE_CODES


def storage_error(path: Path, error: sqlite3.DatabaseError | OSError) -> StorageError:
    """The error with its remedy."""
    if is_corrupt(error):
        return StorageError(corrupt(path, error))
    if _primary_code(error) == sqlite3.SQLITE_FULL:
        return StorageError(f"no room to write {path} ({error}); nothing of this request was stored, free disk space")
    if is_busy(error):
        return StorageError(f"another process is writing {path} ({error}); try again", retry_after_s=1.0)
    return StorageError(f"cannot use {path} ({error}); check that its folder exists, is writable and has room")


def _primary_code(error: sqlite3.DatabaseError | OSError) -> int:
    """Extended codes only add where it happened."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
