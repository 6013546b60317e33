"""What a profile store offers, whichever database is behind it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from svc.types import Enrolment, FloatArray, Profile, Voiceprint


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A profile that can be compared now: not expired, with its mean voiceprint."""

    voice_id: int
    profile: Profile
    voiceprint: Voiceprint


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class VoiceChange:
    """The mean voiceprint a profile has since `revision`; None = it cannot be read."""

    revision: int
    voice_id: int
    tenant: str
    model_fingerprint: str
    vector: FloatArray | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceRemoval:
    """A profile that ceased to exist at `revision`."""

    revision: int
    voice_id: int
    tenant: str
    model_fingerprint: str


@dataclass(frozen=True, slots=True)
class Recalled:
    """The answer a first call under an idempotency key gave: the profile then, and the caller's own record of it."""

    profile: Profile
    answer: bytes


class ProfileStore(Protocol):
    """Enrolled voices, the only truth. Every call names a tenant and sees nothing of any other. Thread-safe.

    A voice_id is a positive integer naming a profile inside the store; it is never used again after a deletion.
    A revision counts changes of voiceprints; every change has a later one than those committed before it.
    """

    def create(
        self,
        tenant: str,
        *,
        profile_id: str = "",
        display_name: str = "",
        consent_reference: str,
        expires_at_s: float | None = None,
    ) -> Profile:
        """A new empty profile; an empty profile_id is chosen by the store. One of that id that has expired is erased.

        Raises ConsentMissingError, InvalidRequestError, ProfileExistsError.
        """
        ...

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
        """Adds all voiceprints or none; on return they are on disk.

        Under a key used before with the same digest nothing is added and the first profile comes back; with another
        digest IdempotencyConflictError. `answer` is kept with the key for recall().
        Raises ProfileNotFoundError, ProfileExpiredError, FingerprintMismatchError, InvalidRequestError.
        """
        ...

    def check_enrollable(self, tenant: str, profile_id: str, model_fingerprint: str) -> tuple[Voiceprint, ...]:
        """The voiceprints that new ones of this model would join.

        Raises ProfileNotFoundError, ProfileExpiredError, FingerprintMismatchError as add_enrolments would.
        """
        ...

    def recall(self, tenant: str, idempotency_key: str, *, content_digest: bytes) -> Recalled | None:
        """The first answer under this key, None when the key is new. Raises IdempotencyConflictError."""
        ...

    def get(self, tenant: str, profile_id: str) -> Profile:
        """One profile, expired or not. Raises ProfileNotFoundError."""
        ...

    def list(self, tenant: str, *, page_size: int = 100, page_token: str = "") -> tuple[tuple[Profile, ...], str]:
        """A page by profile_id and the token of the next, empty on the last. Raises InvalidRequestError."""
        ...

    def delete(self, tenant: str, profile_id: str) -> int:
        """Erases a profile from disk and from the watchers' memory; the number of voiceprints destroyed.

        Raises ProfileNotFoundError.
        """
        ...

    def enrolments(self, tenant: str, profile_id: str) -> tuple[Enrolment, ...]:
        """Every enrolled utterance, oldest first. Raises ProfileNotFoundError."""
        ...

    def voiceprint(self, tenant: str, profile_id: str) -> Voiceprint:
        """The mean voiceprint. Raises ProfileNotFoundError, ProfileExpiredError, ProfileEmptyError."""
        ...

    def sweep(self, now_s: float) -> int:
        """Erases the profiles that have expired by now_s; how many. Watchers catch up with other processes."""
        ...

    def candidates(self, tenant: str, voice_ids: Sequence[int]) -> tuple[Candidate, ...]:
        """Those of the voices that still exist in the tenant and have not expired, in no particular order."""
        ...

    def comparable(self, tenant: str, model_fingerprint: str, profile_ids: Sequence[str]) -> tuple[int, ...]:
        """Voice ids of the named profiles that this model can be compared with now. Raises ProfileNotFoundError."""
        ...

    def expired(self, tenant: str, model_fingerprint: str) -> tuple[int, ...]:
        """Voices of this model that have expired and await the sweep."""
        ...

    def revision(self) -> int:
        """The latest committed change of any voiceprint, by this process or another."""
        ...

    def changes_since(self, revision: int, *, limit: int) -> tuple[VoiceChange, ...]:
        """Up to `limit` voices that changed after `revision`, in order of revision."""
        ...

    def removals_since(self, revision: int) -> tuple[VoiceRemoval, ...]:
        """Profiles with a voice deleted after `revision`, in order of revision."""
        ...

    def watch(self, listener: Callable[[], None]) -> None:
        """Calls `listener` after each sweep and each commit that changes or removes voices, before the call returns."""
        ...
