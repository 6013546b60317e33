"""The tables of the profile database, and the checks a file passes before it is trusted."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from svc.errors import StorageError
from svc.profiles.encryption import Cipher, binding

SCHEMA_VERSION = 1
# "EQVX": tells our files from any other SQLite database.
APPLICATION_ID = 0x45515658

# profiles.vector is the mean of the profile's enrolments, kept beside them so that the index and every comparison read
# one row per person. AUTOINCREMENT: an id that was deleted is never given to somebody else.
TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE clock (revision INTEGER NOT NULL) STRICT;
INSERT INTO clock VALUES (0);
CREATE TABLE profiles (
  voice_id INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant TEXT NOT NULL,
  profile_id TEXT NOT NULL,
  display_name BLOB NOT NULL,
  consent_reference BLOB NOT NULL,
  created_at_s REAL NOT NULL,
  expires_at_s REAL,
  num_enrolments INTEGER NOT NULL DEFAULT 0,
  model_fingerprint TEXT NOT NULL DEFAULT '',
  net_speech_s REAL NOT NULL DEFAULT 0,
  band TEXT NOT NULL DEFAULT 'wide',
  snr_db REAL NOT NULL DEFAULT 0,
  clipped_share REAL NOT NULL DEFAULT 0,
  vector BLOB,
  revision INTEGER NOT NULL DEFAULT 0,
  UNIQUE (tenant, profile_id)
) STRICT;
CREATE INDEX profiles_by_revision ON profiles (revision);
CREATE INDEX profiles_by_expiry ON profiles (expires_at_s) WHERE expires_at_s IS NOT NULL;
CREATE TABLE enrolments (
  enrolment_id INTEGER PRIMARY KEY AUTOINCREMENT,
  voice_id INTEGER NOT NULL REFERENCES profiles ON DELETE CASCADE,
  created_at_s REAL NOT NULL,
  net_speech_s REAL NOT NULL,
  band TEXT NOT NULL,
  snr_db REAL NOT NULL,
  clipped_share REAL NOT NULL,
  vector BLOB NOT NULL
) STRICT;
CREATE INDEX enrolments_by_voice ON enrolments (voice_id);
CREATE TABLE idempotency (
  tenant TEXT NOT NULL,
  key_digest BLOB NOT NULL,
  content_digest BLOB NOT NULL,
  voice_id INTEGER NOT NULL REFERENCES profiles ON DELETE CASCADE,
  created_at_s REAL NOT NULL,
  num_enrolments INTEGER NOT NULL,
  net_speech_s REAL NOT NULL,
  answer BLOB NOT NULL,
  PRIMARY KEY (tenant, key_digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_voice ON idempotency (voice_id);
CREATE INDEX idempotency_by_age ON idempotency (created_at_s);
-- What other holders of an index must forget. No personal data: an id that names nobody any more.
CREATE TABLE removals (
  voice_id INTEGER PRIMARY KEY,
  revision INTEGER NOT NULL,
  tenant TEXT NOT NULL,
  model_fingerprint TEXT NOT NULL
) STRICT;
CREATE INDEX removals_by_revision ON removals (revision);
"""
_KEY_CHECK = b"equivox profile key check"


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """Committed, fsync included, at the end; rolled back on any error."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def prepare(connection: sqlite3.Connection, path: Path, cipher: Cipher) -> None:
    """Makes the tables in a new file, else checks that the file is ours, whole, of this version and of this key.

    Raises StorageError naming the file and the remedy.
    """
    if _pragma(connection, "user_version") == 0:
        _create(connection, path, cipher)
    _check_kind(connection, path)
    if (finding := connection.execute("PRAGMA quick_check(1)").fetchall()[0][0]) != "ok":
        raise StorageError(corrupt(path, finding))
    check_key(connection, path, cipher)


def check_sound(connection: sqlite3.Connection, path: Path, *, outcome: str) -> None:
    """Ours, of a version this release reads, every page and every index whole; slower than `prepare`.

    Raises StorageError naming the file and, where it is damaged, the `outcome` for the caller.
    """
    _check_kind(connection, path)
    if (finding := connection.execute("PRAGMA integrity_check(1)").fetchall()[0][0]) != "ok":
        raise StorageError(damaged(path, finding, outcome))


def damaged(path: Path, finding: object, outcome: str) -> str:
    """What to tell of a database that nothing can be done with."""
    reason = " ".join(str(finding).split())
    return f"{path} is no sound profile database ({reason}): {outcome}; restore an earlier backup"


def corrupt(path: Path, finding: object) -> str:
    """What to tell whoever owns a damaged file."""
    reason = " ".join(str(finding).split())
    return (
        f"{path} is corrupt or no Equivox profile database ({reason}); stop the server and restore a backup with "
        f"`equivox profiles restore FILE`, which also removes {path.name}-wal and {path.name}-shm: left there they "
        f"would be replayed into a file copied by hand. Or save what is left with `sqlite3 {path} .recover`"
    )


def _create(connection: sqlite3.Connection, path: Path, cipher: Cipher) -> None:
    with transaction(connection):
        # Another process may have been faster; and a file with tables of its own is not ours to change.
        if _pragma(connection, "user_version") == 0:
            if connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()[0][0]:
                raise StorageError(
                    f"{path} is a SQLite database of another program; set profiles.database to another file"
                )
            _write_tables(connection, cipher)


def _write_tables(connection: sqlite3.Connection, cipher: Cipher) -> None:
    for statement in TABLES.split(";\n"):
        connection.execute(statement)
    connection.execute("INSERT INTO meta VALUES ('key_check', ?)", (sealed_key_check(cipher),))
    connection.execute("INSERT INTO meta VALUES ('page_secret', randomblob(32))")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _check_kind(connection: sqlite3.Connection, path: Path) -> None:
    if _pragma(connection, "application_id") != APPLICATION_ID:
        raise StorageError(f"{path} is a SQLite database of another program; set profiles.database to another file")
    version = _pragma(connection, "user_version")
    if version > SCHEMA_VERSION:
        raise StorageError(
            f"{path} has schema version {version}, this release reads up to {SCHEMA_VERSION}; upgrade Equivox"
        )


def sealed_key_check(cipher: Cipher) -> bytes:
    """What tells, when a file is opened, whether the key is the one it was made with."""
    return cipher.seal(_KEY_CHECK, binding("key_check"))


def check_key(connection: sqlite3.Connection, path: Path, cipher: Cipher) -> None:
    """Raises StorageError when the file was made with another key, or without the one that is configured."""
    stored = connection.execute("SELECT value FROM meta WHERE name = 'key_check'").fetchall()[0][0]
    try:
        fits = cipher.open(stored, binding("key_check")) == _KEY_CHECK
    except StorageError:
        fits = False
    if fits:
        return
    if stored == _KEY_CHECK:
        raise StorageError(
            f"{path} was made without a key, but one is configured; unset profiles.key_file or start a new file"
        )
    raise StorageError(f"{path} is encrypted with another key; set profiles.key_file to the one it was made with")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchall()[0][0])
