"""Rows to types and back: what is sealed, and which place each sealed value is bound to."""

import logging
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from sqlite3 import Row

import numpy as np

from svc.errors import ConsentMissingError, FingerprintMismatchError, InvalidRequestError, StorageError
from svc.profiles.encryption import Cipher, binding
from svc.profiles.store import Candidate, Recalled, VoiceChange
from svc.types import Band, Enrolment, FloatArray, Profile, Voiceprint

LOG = logging.getLogger(__name__)
MAX_NAME_CHARS = 256
MAX_CONSENT_CHARS = 1024
_PROFILE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_CONDITIONS = "net_speech_s, band, snr_db, clipped_share"
# An enrolment's row is made complete by its profile's.
ENROLMENT_COLUMNS = (
    "tenant, profile_id, model_fingerprint, e.enrolment_id, e.created_at_s, e.vector, "
    "e.net_speech_s, e.band, e.snr_db, e.clipped_share"
)
VOICE_COLUMNS = f"voice_id, tenant, profile_id, model_fingerprint, vector, revision, {_CONDITIONS}"

Conditions = tuple[float, str, float, float]


class Records:
    """Seals and opens the personal part of rows.

    A voiceprint is bound to tenant, profile, enrolment, model and recording conditions, a text to tenant, profile and
    column: a row moved, swapped or edited in the file no longer opens (StorageError).
    """

    def __init__(self, cipher: Cipher, path: Path) -> None:
        """`path`: the file the rows are in, to be named in the log."""
        self.cipher = cipher
        self.path = path

    def sealed_text(self, text: str, tenant: str, *, profile_id: str, column: str) -> bytes:
        return self.cipher.seal(text.encode(), binding("text", tenant, profile_id, column))

    def sealed_vector(self, voiceprint: Voiceprint, tenant: str, *, profile_id: str, enrolment_id: int) -> bytes:
        """enrolment_id 0 is the profile's mean."""
        place = _voice_place(
            tenant, profile_id, enrolment_id, voiceprint.model_fingerprint, conditions=conditions(voiceprint)
        )
        return self.cipher.seal(voiceprint.vector.astype("<f4").tobytes(), place)

    def profile(self, row: Row) -> Profile:
        """From a whole row of profiles."""
        tenant, profile_id = row["tenant"], row["profile_id"]
        return Profile(
            tenant=tenant,
            profile_id=profile_id,
            display_name=self._text(row, "display_name"),
            consent_reference=self._text(row, "consent_reference"),
            created_at_s=row["created_at_s"],
            expires_at_s=row["expires_at_s"],
            num_enrolments=row["num_enrolments"],
            net_speech_s=row["net_speech_s"],
            model_fingerprint=row["model_fingerprint"],
        )

    def sealed_answer(self, answer: bytes, tenant: str, *, profile_id: str) -> bytes:
        return self.cipher.seal(answer, binding("answer", tenant, profile_id))

    def answer(self, row: Row) -> bytes:
        """From tenant, profile_id and answer."""
        return self.cipher.open(row["answer"], binding("answer", row["tenant"], row["profile_id"]))

    def recalled(self, row: Row) -> Recalled:
        """From a whole row of profiles with then_enrolments, then_s and answer."""
        then = replace(self.profile(row), num_enrolments=row["then_enrolments"], net_speech_s=row["then_s"])
        return Recalled(then, self.answer(row))

    def enrolment(self, row: Row) -> Enrolment:
        """From ENROLMENT_COLUMNS."""
        return Enrolment(row["enrolment_id"], row["created_at_s"], self.voiceprint(row, row["enrolment_id"]))

    def candidate(self, row: Row) -> Candidate:
        """From a whole row of profiles that has a voice."""
        return Candidate(row["voice_id"], self.profile(row), self.voiceprint(row))

    def change(self, row: Row) -> VoiceChange:
        """From VOICE_COLUMNS. One damaged voice is no reason to keep all others from being found: it is logged."""
        vector: FloatArray | None = None
        try:
            vector = self._vector(row, 0)
        except StorageError as error:
            LOG.error("%s: %s; until then Identify passes it over", self.path, error.message)
        return VoiceChange(
            revision=row["revision"],
            voice_id=row["voice_id"],
            tenant=row["tenant"],
            model_fingerprint=row["model_fingerprint"],
            vector=vector,
        )

    def voiceprint(self, row: Row, enrolment_id: int = 0) -> Voiceprint:
        """From ENROLMENT_COLUMNS, or with enrolment_id 0 the mean from VOICE_COLUMNS."""
        return Voiceprint(
            vector=self._vector(row, enrolment_id),
            model_fingerprint=row["model_fingerprint"],
            net_speech_s=row["net_speech_s"],
            band=Band(row["band"]),
            snr_db=row["snr_db"],
            clipped_share=row["clipped_share"],
        )

    def _vector(self, row: Row, enrolment_id: int) -> FloatArray:
        measured = (row["net_speech_s"], row["band"], row["snr_db"], row["clipped_share"])
        place = _voice_place(
            row["tenant"], row["profile_id"], enrolment_id, row["model_fingerprint"], conditions=measured
        )
        try:
            return np.frombuffer(self.cipher.open(row["vector"], place), dtype="<f4").astype(np.float32)
        except (StorageError, ValueError) as error:
            raise StorageError(
                f"the voice of profile {row['profile_id']!r} of tenant {row['tenant']!r} cannot be read ({error}): "
                "delete the profile and enrol it anew"
            ) from error

    def _text(self, row: Row, column: str) -> str:
        place = binding("text", row["tenant"], row["profile_id"], column)
        return self.cipher.open(row[column], place).decode()


def conditions(voiceprint: Voiceprint) -> Conditions:
    """The columns beside a vector, in the order of the tables; plain floats, as the file gives them back."""
    band = voiceprint.band.value
    return (float(voiceprint.net_speech_s), band, float(voiceprint.snr_db), float(voiceprint.clipped_share))


def _voice_place(
    tenant: str, profile_id: str, enrolment_id: int, model_fingerprint: str, *, conditions: Conditions
) -> bytes:
    return binding("voice", tenant, profile_id, enrolment_id, model_fingerprint, *conditions)


def check_person(profile_id: str, display_name: str, *, consent_reference: str) -> None:
    """Raises ConsentMissingError or InvalidRequestError naming the field at fault."""
    if not _PROFILE_ID.fullmatch(profile_id):
        raise InvalidRequestError("profile_id must be 1 to 128 characters of A-Z a-z 0-9 . _ : -", field="profile_id")
    if not consent_reference.strip():
        raise ConsentMissingError(
            "consent_reference is empty; say where this person's consent is recorded", field="consent_reference"
        )
    if len(consent_reference) > MAX_CONSENT_CHARS:
        raise InvalidRequestError(
            f"consent_reference exceeds {MAX_CONSENT_CHARS} characters", field="consent_reference"
        )
    if len(display_name) > MAX_NAME_CHARS:
        raise InvalidRequestError(f"display_name exceeds {MAX_NAME_CHARS} characters", field="display_name")


def check_voiceprints(voiceprints: Sequence[Voiceprint]) -> None:
    """All finite, of unit length and of one model. Raises InvalidRequestError, FingerprintMismatchError."""
    if not voiceprints:
        raise InvalidRequestError("no utterances; give at least one", field="utterances")
    if len({(voiceprint.model_fingerprint, voiceprint.vector.shape) for voiceprint in voiceprints}) > 1:
        raise FingerprintMismatchError("the utterances were embedded by different models", field="utterances")
    for number, voiceprint in enumerate(voiceprints):
        measured = (voiceprint.net_speech_s, voiceprint.snr_db, voiceprint.clipped_share)
        # One comparison for NaN, infinity, zeros and vectors somebody forgot to normalise.
        unit = voiceprint.vector.ndim == 1 and abs(float(np.linalg.norm(voiceprint.vector)) - 1) < 1e-2
        if not unit or not all(map(math.isfinite, measured)):
            raise InvalidRequestError(
                f"voiceprint {number} is not a finite vector of unit length with finite conditions",
                field=f"utterances[{number}]",
            )
