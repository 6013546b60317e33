"""The key of a profile database exchanged for another: all that is sealed is opened and sealed anew, or nothing is."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from svc.errors import StorageError
from svc.profiles.connection import connect, is_busy, storage_error
from svc.profiles.encryption import Cipher
from svc.profiles.records import ENROLMENT_COLUMNS, Records
from svc.profiles.schema import check_key, check_sound, sealed_key_check, transaction


def rekey(database: Path, old: Cipher, new: Cipher) -> int:
    """How many profiles were sealed anew. What the old key sealed is then in neither the file nor its log.

    In one transaction: killed at any time, the database opens with the old key or with the new one. Raises StorageError
    when there is no database, another process has it open, it is damaged, or it is not of the old key.
    """
    if not database.is_file():
        raise StorageError(f"there is no profile database {database}")
    was, becomes = Records(old, database), Records(new, database)
    with _alone(database) as connection:
        check_sound(connection, database, outcome="nothing was changed")
        check_key(connection, database, old)
        connection.execute("UPDATE meta SET value = ? WHERE name = 'key_check'", (sealed_key_check(new),))
        num_profiles = _profiles(connection, was, becomes)
        _enrolments(connection, was, becomes)
        _answers(connection, was, becomes)
    return num_profiles


@contextmanager
def _alone(database: Path) -> Iterator[sqlite3.Connection]:
    """The only connection there is, in a transaction."""
    try:
        with closing(connect(database, timeout_s=0)) as connection:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
            with transaction(connection, "EXCLUSIVE"):
                yield connection
            _erase_log(connection, database)
    except sqlite3.DatabaseError as error:
        if is_busy(error):
            raise StorageError(f"another process has {database} open; stop the server first") from error
        raise storage_error(database, error) from error


def _erase_log(connection: sqlite3.Connection, database: Path) -> None:
    """What is committed stands, whatever happens here."""
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.DatabaseError as error:
        raise StorageError(
            f"{database} is sealed with the new key, set profiles.key_file to it; but its write-ahead log cannot be "
            f"moved into it ({error}), so what the old key sealed remains: make room, the next start of the server "
            "erases it"
        ) from error


def _each(connection: sqlite3.Connection, table: str, key: str, statement: str) -> Iterator[sqlite3.Row]:
    """Row by row, for what is read is written in between."""
    for (number,) in connection.execute(f"SELECT {key} FROM {table}").fetchall():
        yield from connection.execute(f"{statement} WHERE {key} = ?", (number,)).fetchall()


def _profiles(connection: sqlite3.Connection, was: Records, becomes: Records) -> int:
    done = 0
    for row in _each(connection, "profiles", "voice_id", "SELECT * FROM profiles"):
        profile, tenant, name = was.profile(row), row["tenant"], row["profile_id"]
        texts = [
            becomes.sealed_text(getattr(profile, column), tenant, profile_id=name, column=column)
            for column in ("display_name", "consent_reference")
        ]
        mean = row["vector"] and becomes.sealed_vector(was.voiceprint(row), tenant, profile_id=name, enrolment_id=0)
        connection.execute(
            "UPDATE profiles SET display_name = ?, consent_reference = ?, vector = ? WHERE voice_id = ?",
            (*texts, mean, row["voice_id"]),
        )
        done += 1
    return done


def _enrolments(connection: sqlite3.Connection, was: Records, becomes: Records) -> None:
    joined = f"SELECT {ENROLMENT_COLUMNS} FROM enrolments e JOIN profiles USING (voice_id)"
    for row in _each(connection, "enrolments", "enrolment_id", joined):
        number = row["enrolment_id"]
        voice = was.voiceprint(row, number)
        sealed = becomes.sealed_vector(voice, row["tenant"], profile_id=row["profile_id"], enrolment_id=number)
        connection.execute("UPDATE enrolments SET vector = ? WHERE enrolment_id = ?", (sealed, number))


def _answers(connection: sqlite3.Connection, was: Records, becomes: Records) -> None:
    statement = "SELECT i.tenant, key_digest, answer, profile_id FROM idempotency i JOIN profiles USING (voice_id)"
    for row in connection.execute(statement).fetchall():
        answer = becomes.sealed_answer(was.answer(row), row["tenant"], profile_id=row["profile_id"])
        connection.execute(
            "UPDATE idempotency SET answer = ? WHERE tenant = ? AND key_digest = ?",
            (answer, row["tenant"], row["key_digest"]),
        )
