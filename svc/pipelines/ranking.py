"""Enrolled voices in order of calibrated LLR against one voice: what Identify and the duplicate check share."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from svc.errors import FingerprintMismatchError
from svc.profiles.index import VoiceIndex
from svc.profiles.store import Candidate, ProfileStore
from svc.scoring.calibration import Calibration
from svc.scoring.conditions import Conditions, SideConditions
from svc.scoring.cosine import cosine
from svc.scoring.policy import Policy
from svc.types import Voiceprint

# Cosine picks the candidates, the LLR ranks them: a profile with more speech or the right band may overtake others of
# higher cosine, so more are looked at than are asked for.
MIN_CANDIDATES = 64
CANDIDATES_PER_MATCH = 4
# Where an LLR levels off, whatever the condition; no cosine comes near it.
UNREACHABLE_SCORE = 1e6
LONG_SPEECH_S = 60.0
CLEAN_SNR_DB = 40.0


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
        if not candidates:
            return ()
        known = [candidate.voiceprint for candidate in candidates]
        scores = cosine(np.stack([voiceprint.vector for voiceprint in known]), voice.vector)  # (K,)
        llrs = self.calibration.llr(scores, Conditions(SideConditions.of(known), SideConditions.of([voice])))
        # Bounded LLRs come close together at the top; the score still tells them apart.
        order = np.lexsort((-scores, -llrs))
        return tuple(Rival(candidates[number], float(llrs[number])) for number in order)


def open_set_policy(policy: Policy, num_searched: int, calibration: Calibration) -> Policy:
    """The policy with its prior spread evenly over the profiles searched: threshold + ln(num_searched).

    A calibrated LLR of a stranger exceeds t with a probability of at most e^-t, so one of N profiles exceeds
    t + ln N with at most that probability, too: a stranger is named no more often than Verify under the same policy
    accepts one, and with one profile Identify is Verify.

    The threshold stops rising where the calibration stops vouching: at its largest LLR less ln 2 and the policy's band,
    beyond which nobody could match. With more profiles than that the promise above weakens to "stands clear of all
    other profiles" (the margin). `profile_ids`, the people who can be meant, keeps N small.
    """
    most = largest_llr(calibration) - math.log(2) - policy.inconclusive_band
    raised = min(policy.threshold_llr + math.log(max(num_searched, 1)), most)
    return replace(policy, threshold_llr=max(policy.threshold_llr, raised))


def largest_llr(calibration: Calibration) -> float:
    """The LLR no score exceeds under any condition; infinite, in effect, when the calibration sets no bound."""
    side = SideConditions(
        net_speech_s=np.array([LONG_SPEECH_S]), snr_db=np.array([CLEAN_SNR_DB]), telephone=np.array([False])
    )
    return float(calibration.llr([UNREACHABLE_SCORE], Conditions(side, side))[0])
