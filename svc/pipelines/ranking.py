"""Enrolled voices in order of calibrated LLR against one voice: what Identify and the duplicate check share."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from svc.errors import FingerprintMismatchError
from svc.profiles.index import VoiceIndex
from svc.profiles.store import Candidate, ProfileStore
from svc.scoring.calibration import Calibration
from svc.scoring.cosine import score
from svc.scoring.policy import Policy
from svc.types import Voiceprint

# Cosine picks the candidates, the LLR ranks them: a profile with more speech or the right band may overtake others of
# higher cosine, so more are looked at than are asked for.
MIN_CANDIDATES = 64
CANDIDATES_PER_MATCH = 4


@dataclass(frozen=True, slots=True, eq=False)
class Rival:
    """A profile and its calibrated LLR against the voice in question."""

    candidate: Candidate
    llr: float


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """The nearest of all profiles searched, best LLR first."""

    rivals: tuple[Rival, ...]
    num_searched: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceSearch:
    """Finds the enrolled voices nearest to one voice, exactly, and scores each as Verify would."""

    store: ProfileStore
    index: VoiceIndex
    calibration: Calibration

    def rank(
        self,
        tenant: str,
        voice: Voiceprint,
        *,
        num_wanted: int,
        profile_ids: Sequence[str] = (),
        exclude_profile_id: str = "",
    ) -> Ranking:
        """The `num_wanted` best and some more; profile_ids empty = all of the tenant.

        Expired, empty and other models' profiles are not searched.
        Raises FingerprintMismatchError, ProfileNotFoundError.
        """
        model = self.calibration.model_fingerprint
        if voice.model_fingerprint != model:
            raise FingerprintMismatchError(
                f"the voice is of model {voice.model_fingerprint}, this server compares {model}; embed it again"
            )
        excluded = self.store.comparable(tenant, model, [exclude_profile_id]) if exclude_profile_id else ()
        among = set(self.store.comparable(tenant, model, profile_ids)) - set(excluded) if profile_ids else None
        without = {*excluded, *self.store.expired(tenant, model)}
        k = max(MIN_CANDIDATES, CANDIDATES_PER_MATCH * num_wanted)
        hits = self.index.search(tenant, voice, k=k, among=among, without=without)
        rivals = self._scored(self.store.candidates(tenant, hits.voice_ids.tolist()), voice)
        num_searched = self.index.size(tenant, model) - len(without) if among is None else len(among)
        # A profile may come or go between the steps.
        return Ranking(rivals, max(num_searched, len(rivals)))

    def _scored(self, candidates: Sequence[Candidate], voice: Voiceprint) -> tuple[Rival, ...]:
        rivals = [
            Rival(candidate, self.calibration.llr_of(score(candidate.voiceprint, voice), candidate.voiceprint, voice))
            for candidate in candidates
        ]
        return tuple(sorted(rivals, key=lambda rival: (-rival.llr, rival.candidate.profile.profile_id)))


def open_set_policy(policy: Policy, num_searched: int) -> Policy:
    """The policy with its prior spread evenly over the profiles searched: threshold + ln(num_searched).

    A calibrated LLR of a stranger exceeds t with a probability of at most e^-t, so one of N profiles exceeds
    t + ln N with at most that probability, too: a stranger is named no more often than Verify under the same policy
    accepts one, and with one profile Identify is Verify. The price is paid by large N: among a million, a match needs
    13.8 nats more. `profile_ids` (the people who can be meant) is the way to pay less.
    """
    return replace(policy, threshold_llr=policy.threshold_llr + math.log(max(num_searched, 1)))
