"""Open-set identification: which enrolled person, if any, is this."""

import math
from collections.abc import Sequence

from svc.errors import InvalidRequestError, ProfileNotFoundError
from svc.pipelines.extraction import VoiceprintExtractor
from svc.pipelines.ranking import Ranking, Rival, VoiceSearch, open_set_policy
from svc.profiles.index import VoiceIndex
from svc.profiles.store import ProfileStore
from svc.scoring.calibration import Calibration
from svc.scoring.policy import Policy, decide
from svc.types import Decision, Identification, IdentityMatch, Reason, Voiceprint, Waveform

MAX_MATCHES = 100


class Identifier:
    """clip -> voiceprint -> nearest enrolled voices -> calibrated LLRs -> matches, or none."""

    def __init__(
        self, *, extractor: VoiceprintExtractor, store: ProfileStore, index: VoiceIndex, calibration: Calibration
    ) -> None:
        self.extractor = extractor
        self.calibration = calibration
        self.search = VoiceSearch(store=store, index=index, calibration=calibration)

    def identify(
        self,
        tenant: str,
        test: Waveform | Voiceprint,
        policy: Policy,
        *,
        max_matches: int = 5,
        profile_ids: Sequence[str] = (),
        exclude_profile_id: str = "",
    ) -> Identification:
        """The profiles whose LLR clears the policy's threshold raised for the number searched (open_set_policy).

        ACCEPT: the best match stands clear of the next best profile. INCONCLUSIVE: the two best matches are closer
        than the policy's band (AMBIGUOUS), the best lies within the band around the threshold, or speech is too poor.
        REJECT: nobody matched. The LLR against a profile is the one Verify answers for it.
        Raises InvalidRequestError, FingerprintMismatchError, ProfileNotFoundError and the errors of extraction.
        """
        if not 1 <= max_matches <= MAX_MATCHES:
            raise InvalidRequestError(f"max_matches must be 1 to {MAX_MATCHES}, got {max_matches}", field="max_matches")
        voice = test if isinstance(test, Voiceprint) else self.extractor.extract(test).voiceprint
        ranking = self.search.rank(
            tenant,
            voice,
            num_wanted=max_matches,
            profile_ids=profile_ids,
            exclude_profile_id=exclude_profile_id,
        )
        spread = open_set_policy(policy, ranking.num_searched, self.calibration)
        decision, reasons = judge(ranking, voice, spread)
        return Identification(
            matches=matches_of(ranking, spread.threshold_llr, max_matches),
            decision=decision,
            reasons=reasons,
            policy_id=policy.policy_id,
            threshold_llr=spread.threshold_llr,
            calibration_id=self.calibration.calibration_id,
            model_fingerprint=voice.model_fingerprint,
            net_speech_s=voice.net_speech_s,
            num_searched=ranking.num_searched,
        )

    def knows(self, tenant: str, profile_id: str) -> bool:
        """Whether a voice may still be named so: the profile is there, has not expired and is of this model."""
        return bool(self._comparable(tenant, profile_id))

    def voice_of(self, tenant: str, profile_id: str) -> Voiceprint | None:
        """The mean of what was enrolled; None where nobody may be named so any longer."""
        found = self.search.store.candidates(tenant, self._comparable(tenant, profile_id))
        return found[0].voiceprint if found else None

    def _comparable(self, tenant: str, profile_id: str) -> Sequence[int]:
        try:
            return self.search.store.comparable(tenant, self.calibration.model_fingerprint, [profile_id])
        except ProfileNotFoundError:
            return ()


def matches_of(ranking: Ranking, threshold_llr: float, max_matches: int) -> tuple[IdentityMatch, ...]:
    """The rivals above the threshold, each with its lead over the one behind it, whether that matches or not."""
    behind = [rival.llr for rival in ranking.rivals[1:]] + [-math.inf]
    return tuple(
        IdentityMatch(
            profile_id=rival.candidate.profile.profile_id,
            display_name=rival.candidate.profile.display_name,
            llr=rival.llr,
            margin=rival.llr - next_llr,
        )
        for rival, next_llr in list(zip(ranking.rivals, behind, strict=False))[:max_matches]
        if rival.llr >= threshold_llr
    )


def judge(ranking: Ranking, voice: Voiceprint, policy: Policy) -> tuple[Decision, tuple[Reason, ...]]:
    """`policy` is the one already raised for the number searched."""
    best = ranking.rivals[0] if ranking.rivals else None
    if best is None or best.llr < policy.threshold_llr - policy.inconclusive_band:
        # Nobody comes near: whether the nearest stranger was enrolled well has no bearing on it.
        return decide(best.llr if best else -math.inf, policy, voice, voice)
    decision, reasons = decide(best.llr, policy, best.candidate.voiceprint, voice)
    if _is_ambiguous(ranking.rivals, policy):
        return Decision.INCONCLUSIVE, (*reasons, Reason.AMBIGUOUS)
    return decision, reasons


def _is_ambiguous(rivals: Sequence[Rival], policy: Policy) -> bool:
    """Two profiles match, and about equally well."""
    return (
        len(rivals) > 1
        and rivals[1].llr >= policy.threshold_llr
        and rivals[0].llr - rivals[1].llr < policy.inconclusive_band
    )
