"""Enrolment: utterances of one person into a profile, with warnings about what a person should look at."""

import hashlib
from collections.abc import Iterator, Sequence

from svc.errors import InvalidRequestError, TooLittleSpeechError
from svc.pipelines.extraction import VoiceprintExtractor
from svc.pipelines.ranking import VoiceSearch, open_set_policy
from svc.pipelines.remembered_answer import from_answer, to_answer
from svc.profiles.averaging import mean_voiceprint
from svc.profiles.index import VoiceIndex
from svc.profiles.store import ProfileStore
from svc.scoring.calibration import Calibration
from svc.scoring.cosine import score
from svc.scoring.policy import NAMED_POLICIES, Policy, decide
from svc.types import (
    EnrolmentResult,
    EnrolmentWarning,
    EnrolmentWarningKind,
    Extraction,
    Voiceprint,
    Waveform,
)

# Utterances of one enrolment are one person's in all but rare mistakes: only evidence for two is worth a warning.
INCOHERENT_LLR = 0.0


class Enroller:
    """clips -> voiceprints -> doubts -> store, all utterances or none; the index follows the store by itself."""

    def __init__(
        self,
        *,
        extractor: VoiceprintExtractor,
        store: ProfileStore,
        index: VoiceIndex,
        calibration: Calibration,
        max_utterances: int,
    ) -> None:
        self.extractor = extractor
        self.store = store
        self.calibration = calibration
        self.search = VoiceSearch(store=store, index=index, calibration=calibration)
        self.policy: Policy = NAMED_POLICIES["balanced"]
        self.max_utterances = max_utterances

    def check_num_utterances(self, number: int) -> None:
        """Of one enrolment; a caller can ask before it has decoded any. Raises InvalidRequestError."""
        if not 1 <= number <= self.max_utterances:
            message = f"an enrolment takes 1 to {self.max_utterances} utterances, got {number}"
            raise InvalidRequestError(message, field="utterances")

    def enroll(
        self, tenant: str, profile_id: str, utterances: Sequence[Waveform], *, idempotency_key: str = ""
    ) -> EnrolmentResult:
        """Adds the utterances; they are on disk when this returns.

        A repeat under the same idempotency key answers as the first did, runs no model and adds nothing.
        Raises InvalidRequestError, IdempotencyConflictError, the errors of ProfileStore.add_enrolments and extraction.
        """
        self.check_num_utterances(len(utterances))
        digest = content_digest(profile_id, utterances)
        if recalled := self.store.recall(tenant, idempotency_key, content_digest=digest):
            return from_answer(recalled.profile, recalled.answer)
        # Before any model runs.
        held = self.store.check_enrollable(tenant, profile_id, self.extractor.embedder.fingerprint)
        extractions = self._extract(utterances)
        voiceprints = [extraction.voiceprint for extraction in extractions]
        warnings = (
            *self._poor_quality(voiceprints),
            *self._incoherent(voiceprints, held),
            *self._duplicates(tenant, profile_id, [*held, *voiceprints]),
        )
        qualities = tuple(extraction.quality for extraction in extractions)
        profile = self.store.add_enrolments(
            tenant,
            profile_id,
            voiceprints,
            idempotency_key=idempotency_key,
            content_digest=digest,
            answer=to_answer(qualities, warnings),
        )
        # A twin of this call may have committed first; then its answer is the answer.
        if recalled := self.store.recall(tenant, idempotency_key, content_digest=digest):
            return from_answer(recalled.profile, recalled.answer)
        return EnrolmentResult(profile=profile, qualities=qualities, warnings=warnings)

    def _extract(self, utterances: Sequence[Waveform]) -> list[Extraction]:
        try:
            return self.extractor.extract_many(utterances)
        except TooLittleSpeechError as error:
            message = f"{error.field}: {error.message}; nothing was enrolled"
            raise TooLittleSpeechError(message, field=error.field) from error

    def _poor_quality(self, voiceprints: Sequence[Voiceprint]) -> Iterator[EnrolmentWarning]:
        for number, voiceprint in enumerate(voiceprints):
            # As sure an identity as there can be: whatever is still in doubt is the quality.
            _, reasons = decide(float("inf"), self.policy, voiceprint, voiceprint)
            if reasons:
                named = ", ".join(reason.value.replace("_", " ") for reason in reasons)
                yield EnrolmentWarning(
                    kind=EnrolmentWarningKind.POOR_QUALITY,
                    message=f"utterance {number}: {named}; record it again for a profile that verifies reliably",
                    utterance=number,
                )

    def _incoherent(self, new: Sequence[Voiceprint], held: Sequence[Voiceprint]) -> Iterator[EnrolmentWarning]:
        """Each new utterance against the mean of all others, new and held."""
        for number, voiceprint in enumerate(new):
            others = [*held, *new[:number], *new[number + 1 :]]
            if not others:
                return
            rest = mean_voiceprint(others)
            llr = self.calibration.llr_of(score(rest, voiceprint), rest, voiceprint)
            if llr < INCOHERENT_LLR:
                yield EnrolmentWarning(
                    kind=EnrolmentWarningKind.INCOHERENT,
                    message=f"utterance {number} does not sound like the rest of the profile; check who is speaking",
                    utterance=number,
                    llr=llr,
                )

    def _duplicates(
        self, tenant: str, profile_id: str, voiceprints: Sequence[Voiceprint]
    ) -> Iterator[EnrolmentWarning]:
        """Other profiles that Identify under the balanced policy would take this person for."""
        ranking = self.search.rank(tenant, mean_voiceprint(voiceprints), num_wanted=1, exclude_profile_id=profile_id)
        threshold_llr = open_set_policy(self.policy, ranking.num_searched, self.calibration).threshold_llr
        for rival in ranking.rivals:
            if rival.llr >= threshold_llr:
                other = rival.candidate.profile.profile_id
                yield EnrolmentWarning(
                    kind=EnrolmentWarningKind.DUPLICATE_VOICE,
                    message=f"this voice matches profile {other}; check whether one person is enrolled twice",
                    other_profile_id=other,
                    llr=rival.llr,
                )


def content_digest(profile_id: str, utterances: Sequence[Waveform]) -> bytes:
    """What makes two enrolments the same content: the profile, and every sample of every utterance in order."""
    digest = hashlib.sha256(profile_id.encode())
    for waveform in utterances:
        digest.update(f"|{waveform.sample_rate_hz}:{len(waveform.samples)}|".encode())
        digest.update(waveform.samples.tobytes())
    return digest.digest()
