"""Profiles in one SQLite file: the embedded default of ProfileStore."""

import hashlib
import hmac
import sqlite3
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from svc.errors import (
    FingerprintMismatchError,
    IdempotencyConflictError,
    InvalidRequestError,
    ProfileEmptyError,
    ProfileExistsError,
    ProfileExpiredError,
    ProfileNotFoundError,
    StorageError,
)
from svc.profiles.averaging import mean_voiceprint
from svc.profiles.database import Database
from svc.profiles.encryption import cipher_for
from svc.profiles.paging import PageTokens
from svc.profiles.records import (
    ENROLMENT_COLUMNS,
    VOICE_COLUMNS,
    Records,
    check_person,
    check_voiceprints,
    conditions,
)
from svc.profiles.store import Candidate, Recalled, VoiceChange, VoiceRemoval
from svc.types import Enrolment, Profile, Voiceprint

MAX_PAGE_SIZE = 1000
MAX_KEY_CHARS = 128
# A caller that retries for longer than a day is not retrying.
IDEMPOTENCY_TTL_S = 24 * 3600.0
_OF_PROFILE = "SELECT * FROM profiles WHERE tenant = ? AND profile_id = ?"
_ENROLMENTS_OF = f"SELECT {ENROLMENT_COLUMNS} FROM enrolments e JOIN profiles USING (voice_id)"


class SqliteProfileStore:
    """A ProfileStore in one file; see Database for what a commit promises and Records for what is sealed.

    With a key (32 bytes) voiceprints, names, consent references and remembered answers are encrypted; tenant,
    profile_id, times and recording conditions are not. Without one everything is stored plainly.
    """

    def __init__(self, path: Path, *, key: bytes | None) -> None:
        cipher = cipher_for(key)
        self._records = Records(cipher, path)
        self._database = Database(path, cipher)
        self._page_tokens = PageTokens(self._database.read("SELECT value FROM meta WHERE name = 'page_secret'")[0][0])
        self._listeners: list[Callable[[], None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._database.close()

    def watch(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    # Writing.

    def create(
        self,
        tenant: str,
        *,
        profile_id: str = "",
        display_name: str = "",
        consent_reference: str,
        expires_at_s: float | None = None,
    ) -> Profile:
        profile_id = profile_id or uuid.uuid4().hex
        now_s = time.time()
        check_person(profile_id, display_name, consent_reference=consent_reference)
        if expires_at_s is not None and not expires_at_s > now_s:
            raise InvalidRequestError("an expiry must lie in the future; leave it out for never", field="expire_time")
        name = self._records.sealed_text(display_name, tenant, profile_id=profile_id, column="display_name")
        consent = self._records.sealed_text(
            consent_reference, tenant, profile_id=profile_id, column="consent_reference"
        )
        try:
            with self._database.writing() as connection:
                expired = connection.execute(f"{_OF_PROFILE} AND expires_at_s <= ?", (tenant, profile_id, now_s))
                _remove(connection, removed := expired.fetchall())
                connection.execute(
                    "INSERT INTO profiles (tenant, profile_id, display_name, consent_reference, created_at_s, "
                    "expires_at_s) VALUES (?, ?, ?, ?, ?, ?)",
                    (tenant, profile_id, name, consent, now_s, expires_at_s),
                )
        except sqlite3.IntegrityError as error:
            message = f"profile {profile_id!r} exists; choose another profile_id or leave it empty"
            raise ProfileExistsError(message, field="profile_id") from error
        if removed:
            self._notify()
            # The new profile stands; a log that cannot be cut now is cut by the next sweep.
            with suppress(StorageError):
                self._database.erase_log()
        return self.get(tenant, profile_id)

    def add_enrolments(
        self,
        tenant: str,
        profile_id: str,
        voiceprints: Sequence[Voiceprint],
        *,
        idempotency_key: str = "",
        content_digest: bytes = b"",
        answer: bytes = b"",
    ) -> Profile:
        check_voiceprints(voiceprints)
        with self._database.writing() as connection:
            if recalled := self._recalled(connection.execute, tenant, idempotency_key, digest=content_digest):
                return recalled.profile
            row = self._present(connection.execute(_OF_PROFILE, (tenant, profile_id)).fetchall(), profile_id)
            _check_addable(row, voiceprints[0].model_fingerprint)
            self._insert_enrolments(connection, row, voiceprints)
            profile = self._records.profile(connection.execute(_OF_PROFILE, (tenant, profile_id)).fetchone())
            if idempotency_key:
                sealed = self._records.sealed_answer(answer, tenant, profile_id=profile_id)
                key = (tenant, _digest(idempotency_key), content_digest, row["voice_id"], time.time())
                first_answer = (profile.num_enrolments, profile.net_speech_s, sealed)
                connection.execute("INSERT INTO idempotency VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*key, *first_answer))
        self._notify()
        return profile

    def delete(self, tenant: str, profile_id: str) -> int:
        with self._database.writing() as connection:
            row = self._present(connection.execute(_OF_PROFILE, (tenant, profile_id)).fetchall(), profile_id)
            _remove(connection, [row])
        self._notify()
        self._database.erase_log()
        return int(row["num_enrolments"])

    def sweep(self, now_s: float) -> int:
        with self._database.writing() as connection:
            connection.execute("DELETE FROM idempotency WHERE created_at_s <= ?", (now_s - IDEMPOTENCY_TTL_S,))
            rows = connection.execute("SELECT * FROM profiles WHERE expires_at_s <= ?", (now_s,)).fetchall()
            _remove(connection, rows)
        self._notify()  # nothing of ours may have changed, but another process may have deleted
        self._database.erase_log()
        return len(rows)

    def _insert_enrolments(self, connection: sqlite3.Connection, row: sqlite3.Row, new: Sequence[Voiceprint]) -> None:
        """Adds them to the profile of `row` and renews its mean, at a revision of its own."""
        voice_id, tenant, profile_id = row["voice_id"], row["tenant"], row["profile_id"]
        before = connection.execute(f"{_ENROLMENTS_OF} WHERE voice_id = ?", (voice_id,)).fetchall()
        mean = mean_voiceprint([*(self._records.enrolment(old).voiceprint for old in before), *new])
        # The id is part of what a vector is bound to, so it is chosen before the row is written.
        last = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'enrolments'").fetchone()
        for enrolment_id, voiceprint in enumerate(new, start=1 + (last[0] if last else 0)):
            vector = self._records.sealed_vector(voiceprint, tenant, profile_id=profile_id, enrolment_id=enrolment_id)
            connection.execute(
                "INSERT INTO enrolments VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (enrolment_id, voice_id, time.time(), *conditions(voiceprint), vector),
            )
        vector = self._records.sealed_vector(mean, tenant, profile_id=profile_id, enrolment_id=0)
        connection.execute(
            "UPDATE profiles SET num_enrolments = ?, model_fingerprint = ?, net_speech_s = ?, band = ?, snr_db = ?, "
            "clipped_share = ?, vector = ?, revision = ? WHERE voice_id = ?",
            (len(before) + len(new), mean.model_fingerprint, *conditions(mean), vector, _tick(connection), voice_id),
        )

    def _notify(self) -> None:
        for listener in self._listeners:
            listener()

    # Reading.

    def check_enrollable(self, tenant: str, profile_id: str, model_fingerprint: str) -> tuple[Voiceprint, ...]:
        _check_addable(self._row(tenant, profile_id), model_fingerprint)
        return tuple(enrolment.voiceprint for enrolment in self.enrolments(tenant, profile_id))

    def recall(self, tenant: str, idempotency_key: str, *, content_digest: bytes) -> Recalled | None:
        return self._recalled(self._database.read, tenant, idempotency_key, digest=content_digest)

    def _recalled(
        self, run: Callable[[str, tuple[Any, ...]], Any], tenant: str, key: str, *, digest: bytes
    ) -> Recalled | None:
        if len(key) > MAX_KEY_CHARS:
            raise InvalidRequestError(f"idempotency_key exceeds {MAX_KEY_CHARS} characters", field="idempotency_key")
        # The columns of the first answer stand in for the profile's own, which may have grown since.
        rows = key and list(
            run(
                "SELECT p.*, i.content_digest, i.answer, i.num_enrolments AS then_enrolments, i.net_speech_s AS then_s "
                "FROM idempotency i JOIN profiles p USING (voice_id) WHERE i.tenant = ? AND key_digest = ?",
                (tenant, _digest(key)),
            )
        )
        if not rows:
            return None
        row = rows[0]
        if not hmac.compare_digest(row["content_digest"], digest):
            message = "this idempotency_key was used with other content; use a fresh key for each new request"
            raise IdempotencyConflictError(message, field="idempotency_key")
        return self._records.recalled(row)

    def get(self, tenant: str, profile_id: str) -> Profile:
        return self._records.profile(self._row(tenant, profile_id))

    def list(self, tenant: str, *, page_size: int = 100, page_token: str = "") -> tuple[tuple[Profile, ...], str]:
        if not 1 <= page_size <= MAX_PAGE_SIZE:
            raise InvalidRequestError(f"page_size must be 1 to {MAX_PAGE_SIZE}, got {page_size}", field="page_size")
        after = self._page_tokens.last_of(tenant, page_token) if page_token else ""
        rows = self._database.read(
            "SELECT * FROM profiles WHERE tenant = ? AND profile_id > ? ORDER BY profile_id LIMIT ?",
            (tenant, after, page_size + 1),
        )
        page = tuple(map(self._records.profile, rows[:page_size]))
        return page, self._page_tokens.after(tenant, page[-1].profile_id) if len(rows) > page_size else ""

    def enrolments(self, tenant: str, profile_id: str) -> tuple[Enrolment, ...]:
        voice_id = self._row(tenant, profile_id)["voice_id"]
        rows = self._database.read(f"{_ENROLMENTS_OF} WHERE voice_id = ? ORDER BY enrolment_id", (voice_id,))
        return tuple(map(self._records.enrolment, rows))

    def voiceprint(self, tenant: str, profile_id: str) -> Voiceprint:
        row = self._row(tenant, profile_id)
        _refuse_expired(row)
        if row["vector"] is None:
            raise ProfileEmptyError(f"profile {profile_id!r} has no enrolment yet; enroll it first", field="profile_id")
        return self._records.voiceprint(row)

    def candidates(self, tenant: str, voice_ids: Sequence[int]) -> tuple[Candidate, ...]:
        rows = self._database.read(
            # +: not through the index of the tenant's profile ids, which would read all of them.
            f"SELECT * FROM profiles WHERE voice_id IN ({_marks(voice_ids)}) AND +tenant = ? AND vector IS NOT NULL "
            "AND (expires_at_s IS NULL OR expires_at_s > ?)",
            (*voice_ids, tenant, time.time()),
        )
        return tuple(map(self._records.candidate, rows))

    def comparable(self, tenant: str, model_fingerprint: str, profile_ids: Sequence[str]) -> tuple[int, ...]:
        rows = [self._row(tenant, profile_id) for profile_id in dict.fromkeys(profile_ids)]
        now_s = time.time()
        return tuple(
            row["voice_id"]
            for row in rows
            if row["vector"] is not None
            and row["model_fingerprint"] == model_fingerprint
            and (row["expires_at_s"] is None or row["expires_at_s"] > now_s)
        )

    def expired(self, tenant: str, model_fingerprint: str) -> tuple[int, ...]:
        rows = self._database.read(
            "SELECT voice_id FROM profiles WHERE expires_at_s <= ? AND +tenant = ? AND model_fingerprint = ? "
            "AND vector IS NOT NULL",
            (time.time(), tenant, model_fingerprint),
        )
        return tuple(row["voice_id"] for row in rows)

    def revision(self) -> int:
        return int(self._database.read("SELECT revision FROM clock")[0][0])

    def changes_since(self, revision: int, *, limit: int) -> tuple[VoiceChange, ...]:
        rows = self._database.read(
            f"SELECT {VOICE_COLUMNS} FROM profiles WHERE revision > ? ORDER BY revision LIMIT ?", (revision, limit)
        )
        return tuple(map(self._records.change, rows))

    def removals_since(self, revision: int) -> tuple[VoiceRemoval, ...]:
        rows = self._database.read("SELECT * FROM removals WHERE revision > ? ORDER BY revision", (revision,))
        return tuple(VoiceRemoval(**dict(row)) for row in rows)

    def _row(self, tenant: str, profile_id: str) -> sqlite3.Row:
        return self._present(self._database.read(_OF_PROFILE, (tenant, profile_id)), profile_id)

    def _present(self, rows: Sequence[sqlite3.Row], profile_id: str) -> sqlite3.Row:
        if not profile_id:
            raise InvalidRequestError("profile_id is empty: give the id of a profile", field="profile_id")
        if not rows:
            raise ProfileNotFoundError(f"no profile {profile_id!r}; create it first", field="profile_id")
        return rows[0]


def _remove(connection: sqlite3.Connection, rows: Sequence[sqlite3.Row]) -> None:
    """Enrolments and remembered answers go with the profile (ON DELETE CASCADE)."""
    revision = _tick(connection) if rows else 0
    for row in rows:
        connection.execute("DELETE FROM profiles WHERE voice_id = ?", (row["voice_id"],))
        if row["vector"] is not None:
            removal = (row["voice_id"], revision, row["tenant"], row["model_fingerprint"])
            connection.execute("INSERT INTO removals VALUES (?, ?, ?, ?)", removal)


def _tick(connection: sqlite3.Connection) -> int:
    return int(connection.execute("UPDATE clock SET revision = revision + 1 RETURNING revision").fetchall()[0][0])


def _check_addable(row: sqlite3.Row, model_fingerprint: str) -> None:
    _refuse_expired(row)
    if row["num_enrolments"] and row["model_fingerprint"] != model_fingerprint:
        raise FingerprintMismatchError(
            f"profile {row['profile_id']!r} holds voices of model {row['model_fingerprint']}, these are of "
            f"{model_fingerprint}; delete it and enrol all utterances again",
            field="profile_id",
        )


def _refuse_expired(row: sqlite3.Row) -> None:
    if row["expires_at_s"] is not None and row["expires_at_s"] <= time.time():
        raise ProfileExpiredError(
            f"the consent of profile {row['profile_id']!r} has expired; create it anew with fresh consent",
            field="profile_id",
        )


def _digest(idempotency_key: str) -> bytes:
    # Callers put names and addresses into keys; a digest serves as well.
    return hashlib.sha256(idempotency_key.encode()).digest()


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
