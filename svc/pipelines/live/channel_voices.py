"""Whose voice each channel carries, told to a recogniser that was trained to be told."""

from collections.abc import Callable
from typing import TypeAlias

from svc.pipelines.live.heard_turn import HeardTurn
from svc.pipelines.live.label_profiles import LabelProfiles
from svc.pipelines.live.recent_sound import NUM_CHANNELS
from svc.pipelines.live.speaker_labels import SpeakerLabels
from svc.pipelines.live.transcription_events import TurnStarted
from svc.pipelines.live.turn_voices import TurnVoice
from svc.types import FloatArray, Voiceprint

Tell: TypeAlias = Callable[[int, FloatArray | None], None]
"""A channel and the voice on it from now on, (V,); None = unknown."""


def to_nobody(channel: int, voice: FloatArray | None) -> None:
    """For recognisers that do not ask."""


class ChannelVoices:
    """Follows the latest turn of each channel."""

    def __init__(self, labels: SpeakerLabels, tell: Tell, profiles: LabelProfiles | None = None) -> None:
        self.labels = labels
        self.tell = tell
        self.profiles = profiles
        self._latest: list[int | None] = [None] * NUM_CHANNELS

    def begin(self, event: TurnStarted) -> None:
        """Where one talker alone was heard so far it is he again; else who has just begun is not known yet."""
        self._latest[event.channel] = event.turn_id
        if len(self.labels.labels) > 1:
            self.tell(event.channel, None)

    def learn(self, turn: HeardTurn, voice: TurnVoice) -> None:
        """Of the latest turn of a channel: its speaker's voice as enrolled, or all that was heard of it, or else its
        own.
        """
        if self._latest[turn.started.channel] == turn.started.turn_id:
            label = turn.placement.label
            known = voice.voiceprint if label is None else self._voice_of(label)
            self.tell(turn.started.channel, known.vector)

    def _voice_of(self, label: int) -> Voiceprint:
        enrolled = self.profiles.voice_of(label) if self.profiles else None
        return enrolled or self.labels.voiceprint(label)

    def follow(self, turn: HeardTurn, cut_off: HeardTurn, voice: TurnVoice) -> None:
        """A turn goes on as another, which is by somebody else."""
        if self._latest[turn.started.channel] == turn.started.turn_id:
            self._latest[turn.started.channel] = cut_off.started.turn_id
        self.learn(cut_off, voice)
