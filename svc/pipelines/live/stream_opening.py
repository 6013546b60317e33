"""Opens live transcriptions: what all streams share."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from svc.backends.protocols import Embedder
from svc.errors import InvalidRequestError
from svc.pipelines.identification import Identifier
from svc.pipelines.live.attribution import Attributor
from svc.pipelines.live.label_profiles import LabelProfiles
from svc.pipelines.live.recent_sound import RecentSound
from svc.pipelines.live.recognition import RecognitionSession
from svc.pipelines.live.second_pass import SecondPass, SecondPassDesk
from svc.pipelines.live.speaker_labels import LabelConfig, SpeakerLabels
from svc.pipelines.live.transcription import StreamOptions, TranscriptionStream
from svc.pipelines.live.turn_voices import TurnListener, TurnVoiceConfig
from svc.pipelines.live.turns import TurnConfig
from svc.pipelines.live.voice_changes import VoiceChangeConfig, VoiceChanges
from svc.pipelines.live.voice_desk import PromptDesk, VoiceDeskConfig, VoiceTakers
from svc.scoring.calibration import Calibration

# Sound kept beyond the longest turn: what surrounds it, and pauses to measure noise in.
SPARE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveConfig:
    """How streams are followed."""

    # How long the end of a stream waits for its second pass.
    second_pass_patience_s: float = 10.0
    turns: TurnConfig = field(default_factory=TurnConfig)
    voices: TurnVoiceConfig = field(default_factory=TurnVoiceConfig)
    # Threads that take voices while recognition goes on. 0: it waits for them, and every event is the same every time.
    voice_threads: int = 1
    desks: VoiceDeskConfig = field(default_factory=VoiceDeskConfig)
    labels: LabelConfig = field(default_factory=LabelConfig)
    # How a turn that is over is searched for another voice; None = it is not.
    changes: VoiceChangeConfig | None = field(default_factory=VoiceChangeConfig)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LiveParts:
    """What all streams share. Each is safe to use from several threads at once."""

    open_session: Callable[[], RecognitionSession]
    fingerprint: str
    algorithmic_latency_s: float
    embedder: Embedder
    calibration: Calibration
    identifier: Identifier
    second_pass: SecondPass | None = None


class LiveTranscriber(Protocol):
    """Opens live transcriptions."""

    @property
    def fingerprint(self) -> str: ...

    @property
    def algorithmic_latency_s(self) -> float: ...

    def open(self, options: StreamOptions) -> TranscriptionStream:
        """Raises OverloadedError when there are too many."""
        ...

    def close(self) -> None:
        """Ends its threads."""
        ...


class StreamOpener:
    """Opens as many at once as there are sessions. Safe to call from several threads at once."""

    def __init__(self, parts: LiveParts, config: LiveConfig | None = None) -> None:
        self.parts = parts
        self.config = config or LiveConfig()
        changes = None
        if self.config.changes:
            changes = VoiceChanges(parts.embedder, parts.calibration, self.config.changes)
        self._listener = TurnListener(parts.embedder, self.config.voices, changes=changes)
        self._takers: VoiceTakers | None = None
        if threads := self.config.voice_threads:
            self._takers = VoiceTakers(self._listener, self.config.desks, threads=threads)

    @property
    def fingerprint(self) -> str:
        """Of the model that transcribes."""
        return self.parts.fingerprint

    @property
    def algorithmic_latency_s(self) -> float:
        """From a sound to the output that knows it, on an infinitely fast machine; its words come no earlier."""
        return self.parts.algorithmic_latency_s

    def open(self, options: StreamOptions) -> TranscriptionStream:
        """Raises what `open_session` does, InvalidRequestError when the second pass is switched off."""
        if options.second_pass and self.parts.second_pass is None:
            message = "this server has no second pass: leave it out, or set transcription.second_pass in its config"
            raise InvalidRequestError(message, field="second_pass")
        session, numbers = self.parts.open_session(), count()
        try:
            attributor = self._attributor(session, options, numbers)
            return TranscriptionStream(session, attributor, options=options, turns=self.config.turns, numbers=numbers)
        except BaseException:
            session.close()
            raise

    def close(self) -> None:
        """Ends the threads; of streams that are still open nobody is heard any more."""
        if self._takers:
            self._takers.close()

    def _attributor(self, session: RecognitionSession, options: StreamOptions, numbers: Iterator[int]) -> Attributor:
        parts, turns = self.parts, self.config.turns
        profiles = None
        if options.policy:
            profiles = LabelProfiles(parts.identifier, tenant=options.tenant, policy=options.policy)
        desk = None
        if options.second_pass and parts.second_pass:
            desk = SecondPassDesk(parts.second_pass, patience_s=self.config.second_pass_patience_s)
        sound = RecentSound(
            kept_s=turns.longest_turn_s + SPARE_S,
            frame_s=session.frame_s,
            delay_s=session.delay_s,
            active_probability=turns.active_probability,
        )
        labels = SpeakerLabels(parts.calibration, self.config.labels)
        return Attributor(
            listener=self._listener,
            voices=self._takers.desk() if self._takers else PromptDesk(self._listener),
            labels=labels,
            sound=sound,
            profiles=profiles,
            second_pass=desk,
            tell=session.tell,
            numbers=numbers,
        )
