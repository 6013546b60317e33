"""A SQLite file with one writer and many readers; its errors become StorageError with a remedy."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from svc.errors import StorageError
from svc.profiles.connection import connect, is_at, storage_error
from svc.profiles.encryption import Cipher
from svc.profiles.schema import prepare, transaction

# How long to wait for another process (a CLI beside the server) before giving up.
BUSY_TIMEOUT_S = 10.0


class Database:
    """WAL and synchronous=FULL: a committed write survives a crash of the process and of the machine.

    Readers never wait for the writer; they take connections from a pool and hold them for one statement, so that the
    log can be truncated at any time.
    """

    def __init__(self, path: Path, cipher: Cipher) -> None:
        self.path = path
        self._writer_lock = threading.Lock()
        self._idle_readers: list[sqlite3.Connection] = []
        self._pool_lock = threading.Lock()
        self._closed = False
        with self._naming_errors():
            file = _make_private(path)
            self._writer = connect(self.path, timeout_s=BUSY_TIMEOUT_S)
            try:
                with _staying(path, file):
                    prepare(self._writer, path, cipher)
                    # Only now is the file known to be ours to change.
                    self._writer.execute("PRAGMA journal_mode = WAL").fetchall()
                    # The switch leaves a read transaction open, which the next statement ends.
                    self._writer.execute("SELECT revision FROM clock").fetchall()
                self._erase_log()
            except BaseException:
                self._writer.close()
                raise

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The one write transaction at a time: committed, fsync included, at the end; rolled back on any error."""
        with self._naming_errors(), self._writer_lock:
            self._refuse_when_closed()
            with transaction(self._writer):
                yield self._writer

    def read(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        """All rows of one statement, as of one moment."""
        with self._naming_errors(), self._reader() as connection:
            return connection.execute(statement, parameters).fetchall()

    def erase_log(self) -> None:
        """Moves the log into the database and cuts it to nothing, so that deleted content is on no page of either.

        Raises StorageError when another process keeps reading the log for longer than BUSY_TIMEOUT_S, or there is no
        room; what is committed stands.
        """
        with self._writer_lock:
            self._refuse_when_closed()
            try:
                is_read = self._erase_log()
            except sqlite3.DatabaseError as error:
                raise StorageError(
                    f"deleted, but {self.path} cannot be written ({error}), so traces remain in its write-ahead log; "
                    "make room, the next deletion or start of the server erases them"
                ) from error
            if is_read:
                raise StorageError(
                    f"deleted, but another process is reading {self.path}, so traces remain in its write-ahead log; "
                    "stop that process, the next deletion or start of the server erases them",
                    retry_after_s=BUSY_TIMEOUT_S,
                )

    def close(self) -> None:
        """Closes every connection; later calls raise StorageError."""
        with self._writer_lock, self._pool_lock:
            self._closed = True
            for connection in (self._writer, *self._idle_readers):
                connection.close()
            self._idle_readers.clear()

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        with self._pool_lock:
            self._refuse_when_closed()
            connection = self._idle_readers.pop() if self._idle_readers else None
        connection = connection or connect(self.path, timeout_s=BUSY_TIMEOUT_S)
        try:
            yield connection
        finally:
            with self._pool_lock:
                if self._closed:
                    connection.close()
                else:
                    self._idle_readers.append(connection)

    def _erase_log(self) -> bool:
        """True when a reader stood in the way."""
        return bool(self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0][0])

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise StorageError(f"{self.path} is closed: the server is shutting down")

    @contextmanager
    def _naming_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            raise  # A broken rule of the schema is for the caller to understand, or a bug.
        except (sqlite3.DatabaseError, OSError) as error:
            raise storage_error(self.path, error) from error


def _make_private(path: Path) -> os.stat_result:
    """Voiceprints are biometric data: only the owner reads the file, even one that was copied there by hand. The log
    and its index inherit the mode. Returns which file it is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        file = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    # Who may write a file of somebody else's, as in a volume shared by a group, cannot change its mode.
    with suppress(PermissionError):
        path.chmod(0o600)
    return file


@contextmanager
def _staying(path: Path, file: os.stat_result) -> Iterator[None]:
    """Raises StorageError when another has taken the file's place by the end, whatever went wrong because of it: a
    connection goes on with the deleted one. Once it has read in WAL mode, its lock keeps `profiles restore` away.
    """
    try:
        yield
    finally:
        if not is_at(path, file):
            raise StorageError(f"{path} was replaced while it was being opened, as by a restore; start again")
