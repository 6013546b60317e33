"""Who says the words of a live stream: every turn gets one speaker, and what changes later is said as a revision."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from svc.backends.protocols import RecognisedChunk
from svc.pipelines.label_profiles import LabelProfiles
from svc.pipelines.recent_sound import NUM_CHANNELS, IntArray, RecentSound
from svc.pipelines.second_pass import ClosedTurn, SecondHearing, SecondPassDesk
from svc.pipelines.speaker_labels import NOWHERE, Placement, SpeakerLabels
from svc.pipelines.transcription_events import (
    NOBODY_KNOWN,
    AttributedSpeaker,
    FinalWord,
    PartialWords,
    SpeakerRevised,
    StreamWarning,
    TextRevised,
    TranscribedWord,
    TranscriptionEvent,
    TurnEnded,
    TurnStarted,
    WarningReason,
)
from svc.pipelines.turn_voices import TurnListener, TurnVoice
from svc.pipelines.turns import TurnEvent
from svc.pipelines.voice_desk import VoiceAnswer, VoiceDesk
from svc.types import FloatArray, Span

# An open turn is first placed after so much speech alone, then whenever it has twice as much.
FIRST_GUESS_S = 1.5
# And once more at its end where it has so many times the speech of the last time; else that voice is as good.
GROWN = 1.5
# Sound around a turn that the second pass hears with it.
MARGIN_S = 0.2

Tell: TypeAlias = Callable[[int, FloatArray | None], None]
"""A channel and the voice on it from now on, (V,); None = unknown."""


def to_nobody(channel: int, voice: FloatArray | None) -> None:
    """For recognisers that do not ask."""


@dataclass(slots=True)
class _HeardTurn:
    """A turn of which the speaker can still change."""

    started: TurnStarted
    placement: Placement = NOWHERE
    # What the caller was last told; None while nothing of the turn was said.
    told: AttributedSpeaker | None = None
    is_open: bool = True
    # Nothing of its own voice is still to come.
    is_settled: bool = False
    alone_s: float = 0.0
    # As much of it was listened to.
    listened_s: float = 0.0
    next_guess_s: float = FIRST_GUESS_S
    last_frame: int = -1


class Attributor:
    """The follower of one stream. Its memory is bounded: a minute of sound, and `kept_turns` of the labels' config.

    Voices come when they come, so words may go out as by UNKNOWN and a turn may end so; in the order the voices were
    asked for they then place the turns, so the last revisions say the same however long each took.
    """

    def __init__(
        self,
        *,
        listener: TurnListener,
        voices: VoiceDesk,
        labels: SpeakerLabels,
        sound: RecentSound,
        profiles: LabelProfiles | None = None,
        second_pass: SecondPassDesk | None = None,
        tell: Tell = to_nobody,
    ) -> None:
        """`tell`: who hears whose voice each channel carries, as far as it is known."""
        self.listener = listener
        self.voices = voices
        self.labels = labels
        self.sound = sound
        self.profiles = profiles
        self.second_pass = second_pass
        self.tell = tell
        # Per channel, the latest turn.
        self._latest: list[int | None] = [None] * NUM_CHANNELS
        self._turns: dict[int, _HeardTurn] = {}
        # Per channel, the first frame that no turn before was recognised again on.
        self._unheard = [0] * NUM_CHANNELS
        self._was_behind = False
        self._first_frame = 0
        self._active: list[list[bool]] = [[], []]

    def hear(self, samples: FloatArray) -> None:
        self.sound.hear(samples)

    def follow(self, chunk: RecognisedChunk) -> None:
        self.sound.follow(chunk)
        self._first_frame = chunk.first_frame
        self._active = (chunk.activity >= self.sound.active_probability).tolist()

    def attribute(self, events: list[TurnEvent], frame: int) -> list[TranscriptionEvent]:
        """The events of a frame with their speakers, and what they change about earlier turns."""
        told: list[TranscriptionEvent] = []
        for event in events:
            match event:
                case TurnStarted():
                    self._turns[event.turn_id] = _HeardTurn(event)
                    self._expect(event)
                    told.append(event)
                case FinalWord(word=word):
                    told.append(FinalWord(word=self._told(word)))
                case TurnEnded():
                    told += self._end(event, frame)
        # A list: what is told may forget old turns meanwhile.
        for turn in [turn for turn in self._turns.values() if turn.is_open]:
            told += self._guess(turn, frame)
        return told

    def speaking(self, partial: PartialWords) -> PartialWords:
        speaker = self._speaker(self._turns[partial.turn_id].placement)
        return replace(partial, words=tuple(replace(word, speaker=speaker) for word in partial.words))

    def settle(self) -> list[TranscriptionEvent]:
        return self._caught_up(wait=True)

    def late(self, *, wait: bool) -> list[TranscriptionEvent]:
        return self._caught_up(wait=wait) + self._heard_again(wait=wait)

    def _caught_up(self, *, wait: bool) -> list[TranscriptionEvent]:
        """What the voices that came since change."""
        warnings = self._place(wait=wait)
        return [*warnings, *self._revisions()]

    def _heard_again(self, *, wait: bool) -> list[TranscriptionEvent]:
        if self.second_pass is None:
            return []
        hearings, num_missing = self.second_pass.collect(wait=wait)
        events = [event for hearing in hearings for event in self._reheard(hearing)]
        if wait and num_missing:
            message = f"{num_missing} turns were not recognised again in time"
            events.append(StreamWarning(reason=WarningReason.SECOND_PASS_BEHIND, message=message))
        return events

    def close(self) -> None:
        self.voices.close()
        if self.second_pass:
            self.second_pass.close()

    def _told(self, word: TranscribedWord) -> TranscribedWord:
        turn = self._turns[word.turn_id]
        turn.told = self._speaker(turn.placement)
        return replace(word, speaker=turn.told)

    def _speaker(self, placement: Placement) -> AttributedSpeaker:
        if placement.label is None:
            return NOBODY_KNOWN
        return AttributedSpeaker(
            label=f"S{placement.label}",
            profile_id=self.profiles.profile_of(placement.label) if self.profiles else None,
            confidence=placement.confidence,
        )

    def _guess(self, turn: _HeardTurn, frame: int) -> Iterator[TranscriptionEvent]:
        """Places an open turn once it has enough speech."""
        if frame <= turn.last_frame:
            return
        turn.last_frame = frame
        active, channel = [each[frame - self._first_frame] for each in self._active], turn.started.channel
        turn.alone_s += self.sound.frame_s if active[channel] and not active[1 - channel] else 0.0
        if turn.alone_s >= turn.next_guess_s:
            turn.next_guess_s = 2 * turn.alone_s
            self._ask(turn, end_s=(frame + 1) * self.sound.frame_s, frame=frame)
            yield from self._caught_up(wait=False)

    def _end(self, event: TurnEnded, frame: int) -> list[TranscriptionEvent]:
        turn = self._turns[event.turn_id]
        turn.is_open = False
        if turn.alone_s < GROWN * turn.listened_s:
            self.voices.ask(event.turn_id, None, is_last=True)
        else:
            self._ask(turn, end_s=event.end_s, frame=frame)
        warnings = self._place(wait=False)
        speaker = self._speaker(turn.placement)
        ended: list[TranscriptionEvent] = [replace(event, speaker=speaker)]
        # Words that went out under another speaker are revised for all to see; of no words, nothing is.
        turn.told = turn.told or speaker
        again = self._hear_again(turn, event, frame) if self.second_pass else []
        return [*warnings, *ended, *self._revisions(), *again]

    def _ask(self, turn: _HeardTurn, *, end_s: float, frame: int) -> None:
        span = Span(turn.started.start_s, end_s)
        heard = self.listener.hear(self.sound, turn.started.channel, span=span, last_frame=frame)
        is_taken = self.voices.ask(turn.started.turn_id, heard, is_last=not turn.is_open)
        if heard and is_taken:
            turn.listened_s = turn.alone_s

    def _place(self, *, wait: bool) -> list[StreamWarning]:
        """Gives the turns whose voices came their labels."""
        return [warning for answer in self.voices.answers(wait=wait) for warning in self._take_in(answer)]

    def _take_in(self, answer: VoiceAnswer) -> Iterator[StreamWarning]:
        turn = self._turns[answer.turn_id]
        if answer.behind and not self._was_behind:
            self._was_behind = True
            message = "too busy to tell who speaks: some turns stay with UNKNOWN"
            yield StreamWarning(reason=WarningReason.ATTRIBUTION_BEHIND, message=message)
        if answer.voice:
            turn.placement = self.labels.place(answer.turn_id, answer.voice)
            self._tell_voice(turn, answer.voice)
        if answer.is_last:
            turn.is_settled = True
            self._revise()

    def _expect(self, event: TurnStarted) -> None:
        """Where one talker alone was heard so far it is he again; else who has just begun is not known yet."""
        self._latest[event.channel] = event.turn_id
        if len(self.labels.labels) > 1:
            self.tell(event.channel, None)

    def _tell_voice(self, turn: _HeardTurn, voice: TurnVoice) -> None:
        """Of the latest turn of a channel: all that is known of its speaker's voice, or else its own."""
        if self._latest[turn.started.channel] == turn.started.turn_id:
            label = turn.placement.label
            known = voice.voiceprint if label is None else self.labels.voiceprint(label)
            self.tell(turn.started.channel, known.vector)

    def _revise(self) -> None:
        """Looks at the other turns again in the light of one that is over."""
        for turn_id, placement in self.labels.revise().items():
            if turn_id in self._turns:
                self._turns[turn_id].placement = placement
        if self.profiles:
            self.profiles.update(self.labels)

    def _revisions(self) -> list[SpeakerRevised]:
        """What the caller was told of a speaker and is no longer so; then forgets the oldest turns."""
        revisions = []
        for turn_id, turn in self._turns.items():
            speaker = self._speaker(turn.placement)
            if turn.told and (turn.told.label, turn.told.profile_id) != (speaker.label, speaker.profile_id):
                turn.told = speaker
                revisions.append(SpeakerRevised(turn_id=turn_id, speaker=speaker))
        self._forget()
        return revisions

    def _forget(self) -> None:
        """Turns too old to be revised."""
        while len(self._turns) > self.labels.config.kept_turns:
            oldest = min((turn_id for turn_id, turn in self._turns.items() if turn.is_settled), default=None)
            if oldest is None:
                return
            del self._turns[oldest]

    def _hear_again(self, turn: _HeardTurn, event: TurnEnded, frame: int) -> list[StreamWarning]:
        channel = turn.started.channel
        frames = self._frames_of(turn, end_s=event.end_s, last=frame)
        # All of it was heard with the turn before: the words of the first pass stay.
        if not len(frames):
            return []
        self._unheard[channel] = int(frames[-1]) + 1
        overlapped = bool(self.sound.active(frames)[:, 1 - channel].any())
        samples = self.sound.separated(frames, channel) if overlapped else self.sound.mixture(frames)
        start_s = self.sound.start_s(int(frames[0]))
        closed = ClosedTurn(turn_id=event.turn_id, channel=channel, start_s=start_s, samples=samples)
        if not self.second_pass or self.second_pass.hand_in(closed):
            return []
        message = f"turn {event.turn_id} is not recognised again: the second pass is too far behind"
        return [StreamWarning(reason=WarningReason.SECOND_PASS_BEHIND, message=message)]

    def _frames_of(self, turn: _HeardTurn, *, end_s: float, last: int) -> IntArray:
        """A turn's frames and the margins around it, without what belongs to the turn before or after on its channel:
        a word that two turns hold would be said twice.
        """
        channel, start_s = turn.started.channel, turn.started.start_s - MARGIN_S
        frames = self.sound.frames(start_s, end_s + MARGIN_S, last=last)
        num_said = len(self.sound.frames(start_s, end_s, last=last))
        next_turn = np.flatnonzero(self.sound.active(frames[num_said:])[:, channel])
        if len(next_turn):
            frames = frames[: num_said + int(next_turn[0])]
        return frames[frames >= self._unheard[channel]]

    def _reheard(self, hearing: SecondHearing) -> list[TranscriptionEvent]:
        """A text revision. Where nothing was heard, the words of the first pass stay: no word is taken away."""
        turn_id, turn = hearing.turn.turn_id, self._turns.get(hearing.turn.turn_id)
        if hearing.words is None:
            message = f"turn {turn_id} could not be recognised again; its text stays"
            return [StreamWarning(reason=WarningReason.SECOND_PASS_FAILED, message=message)]
        speaker = (turn.told if turn else None) or NOBODY_KNOWN
        words = tuple(
            TranscribedWord(
                turn_id=turn_id,
                text=word.text,
                start_s=hearing.turn.start_s + word.start_s,
                end_s=hearing.turn.start_s + word.end_s,
                channel=hearing.turn.channel,
                speaker=speaker,
            )
            for word in hearing.words
        )
        return [TextRevised(turn_id=turn_id, words=words)] if words else []
