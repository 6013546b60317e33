"""Gives the speakers of a diarized recording the names of enrolled profiles they match."""

from dataclasses import replace

from svc.pipelines.identification import Identifier
from svc.scoring.policy import Policy
from svc.types import Decision, DiarizationResult, DiarizedSpeaker, IdentityMatch


def name_speakers(
    result: DiarizationResult, identifier: Identifier, *, tenant: str, policy: Policy
) -> DiarizationResult:
    """The result with `profile` set on each speaker that one profile stands out for.

    Diarization holds the speakers to be different people: where two match one profile, only the better keeps it.
    """
    matches = [_match(speaker, identifier, tenant=tenant, policy=policy) for speaker in result.speakers]
    # By profile. LLRs are bounded and may tie; then more speech is the better evidence.
    claims: dict[str, tuple[float, float, int]] = {}
    for number, (speaker, match) in enumerate(zip(result.speakers, matches, strict=True)):
        if match:
            claim = (match.llr, speaker.speech_s, number)
            claims[match.profile_id] = max(claim, claims.get(match.profile_id, claim))
    keepers = {number for _, _, number in claims.values()}
    kept = [match if number in keepers else None for number, match in enumerate(matches)]
    speakers = (replace(speaker, profile=match) for speaker, match in zip(result.speakers, kept, strict=True))
    return replace(result, speakers=tuple(speakers))


def _match(speaker: DiarizedSpeaker, identifier: Identifier, *, tenant: str, policy: Policy) -> IdentityMatch | None:
    if speaker.voiceprint is None:
        return None
    answer = identifier.identify(tenant, speaker.voiceprint, policy, max_matches=1)
    return answer.matches[0] if answer.decision is Decision.ACCEPT else None
