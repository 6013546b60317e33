"""Which enrolled profile each local label of a stream is, asked again as more of the voice is heard."""

from svc.pipelines.identification import Identifier
from svc.pipelines.live.speaker_labels import SpeakerLabels
from svc.scoring.policy import Policy
from svc.types import Decision, IdentityMatch, Voiceprint

# Asked again when there is this much more speech than the last time.
GROWTH = 1.5


class LabelProfiles:
    """Matches labels under a policy; only ACCEPT is a match. Of two labels that match one profile the better has it."""

    def __init__(self, identifier: Identifier, *, tenant: str, policy: Policy) -> None:
        self.identifier = identifier
        self.tenant = tenant
        self.policy = policy
        self._matches: dict[int, IdentityMatch | None] = {}
        self._voices: dict[str, Voiceprint | None] = {}
        self._asked_s: dict[int, float] = {}

    def update(self, labels: SpeakerLabels) -> None:
        """Asks for the labels that have grown enough; forgets those that are gone, and who may be named no longer.

        Raises StorageError when the profiles cannot be read: what is known stays, and is asked for the next time.
        """
        for gone in self._asked_s.keys() - set(labels.labels):
            del self._asked_s[gone], self._matches[gone]
        self._forget_deleted()
        for label in labels.labels:
            voiceprint = labels.voiceprint(label)
            if voiceprint.net_speech_s >= max(self.policy.min_net_speech_s, GROWTH * self._asked_s.get(label, 0.0)):
                answer = self.identifier.identify(self.tenant, voiceprint, self.policy, max_matches=1)
                self._asked_s[label] = voiceprint.net_speech_s
                self._matches[label] = answer.matches[0] if answer.decision is Decision.ACCEPT else None
        named = {match.profile_id for match in self._matches.values() if match}
        self._voices = {name: self._voices.get(name) or self.identifier.voice_of(self.tenant, name) for name in named}

    def _forget_deleted(self) -> None:
        """Their labels are asked for anew, whatever they have grown."""
        for label, match in self._matches.items():
            if match and not self.identifier.knows(self.tenant, match.profile_id):
                self._matches[label], self._asked_s[label] = None, 0.0

    def profile_of(self, label: int) -> str | None:
        match = self._matches.get(label)
        if match is None:
            return None
        rivals = [other for other in self._matches.values() if other and other.profile_id == match.profile_id]
        return match.profile_id if match.llr == max(rival.llr for rival in rivals) else None

    def voice_of(self, label: int) -> Voiceprint | None:
        """As enrolled, of a label that is a profile: better known than from what the stream has heard."""
        profile_id = self.profile_of(label)
        return self._voices.get(profile_id) if profile_id else None
