"""Who says the words of a live stream: every turn gets one speaker, and what changes later is said as a revision."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

from svc.backends.protocols import RecognisedChunk
from svc.errors import StorageError
from svc.pipelines.live.channel_voices import ChannelVoices, Tell, to_nobody
from svc.pipelines.live.heard_turn import HeardTurn
from svc.pipelines.live.label_profiles import LabelProfiles
from svc.pipelines.live.recent_sound import RecentSound
from svc.pipelines.live.rehearing import Rehearing
from svc.pipelines.live.second_pass import SecondPassDesk
from svc.pipelines.live.speaker_labels import Placement, SpeakerLabels
from svc.pipelines.live.transcription_events import (
    NOBODY_KNOWN,
    AttributedSpeaker,
    FinalWord,
    PartialWords,
    SpeakerRevised,
    StreamWarning,
    TranscribedWord,
    TranscriptionEvent,
    TurnEnded,
    TurnStarted,
    WarningReason,
)
from svc.pipelines.live.turn_cutting import TurnCutter
from svc.pipelines.live.turn_split import spoken_parts
from svc.pipelines.live.turn_voices import TurnListener
from svc.pipelines.live.turns import TurnEvent
from svc.pipelines.live.voice_desk import VoiceAnswer, VoiceDesk
from svc.types import FloatArray, Span

# A turn is listened to once more at its end where it has so many times the speech of the last time; else that voice is
# as good.
GROWN = 1.5


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
        numbers: Iterator[int] | None = None,
    ) -> None:
        """`tell`: who hears whose voice each channel carries, as far as it is known. `numbers` gives the turn_ids of
        turns that prove to be several; the stream's turns take of the same.
        """
        self.listener = listener
        self.voices = voices
        self.labels = labels
        self.sound = sound
        self.profiles = profiles
        self._rehearing = Rehearing(sound, second_pass) if second_pass else None
        self._channels = ChannelVoices(labels, tell, profiles)
        self._turns: dict[int, HeardTurn] = {}
        self._cutter = TurnCutter(labels, self._channels, speaker_of=self._speaker, numbers=numbers or count())
        self._was_behind = False
        self._profiles_were_read = True
        self._first_frame = 0
        self._active: list[list[bool]] = [[], []]

    def hear(self, samples: FloatArray) -> None:
        """(N,) at 16 kHz."""
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
                    self._turns[event.turn_id] = HeardTurn(event)
                    self._channels.begin(event)
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
        placed = self._caught_up(wait=wait)
        return placed + (self._rehearing.collect(self._turns, wait=wait) if self._rehearing else [])

    def _caught_up(self, *, wait: bool) -> list[TranscriptionEvent]:
        """What the voices that came since change."""
        warnings = self._place(wait=wait)
        return [*warnings, *self._cutter.told(), *self._revisions()]

    def close(self) -> None:
        self.voices.close()
        if self._rehearing:
            self._rehearing.close()

    def _told(self, word: TranscribedWord) -> TranscribedWord:
        turn = self._turns[word.turn_id]
        turn.told = self._speaker(turn.placement)
        turn.words.append(word)
        return replace(word, speaker=turn.told)

    def _speaker(self, placement: Placement) -> AttributedSpeaker:
        if placement.label is None:
            return NOBODY_KNOWN
        return AttributedSpeaker(
            label=f"S{placement.label}",
            profile_id=self.profiles.profile_of(placement.label) if self.profiles else None,
            confidence=placement.confidence,
        )

    def _guess(self, turn: HeardTurn, frame: int) -> Iterator[TranscriptionEvent]:
        """Places an open turn once it has enough speech."""
        if frame <= turn.last_frame:
            return
        turn.last_frame = frame
        active, channel = [each[frame - self._first_frame] for each in self._active], turn.started.channel
        turn.alone_s += self.sound.frame_s if active[channel] and not active[1 - channel] else 0.0
        if turn.alone_s >= turn.next_guess_s:
            turn.next_guess_s = 3 * turn.alone_s
            self._ask(turn, end_s=(frame + 1) * self.sound.frame_s, frame=frame)
            yield from self._caught_up(wait=False)

    def _end(self, event: TurnEnded, frame: int) -> list[TranscriptionEvent]:
        turn = self._turns[event.turn_id]
        turn.is_open = False
        self._ask(turn, end_s=event.end_s, frame=frame)
        warnings = self._place(wait=False)
        speaker = self._speaker(turn.placement)
        ended: list[TranscriptionEvent] = [replace(event, speaker=speaker)]
        # Words that went out under another speaker are revised for all to see; of no words, nothing is.
        turn.told = turn.told or speaker
        again = self._rehearing.hand_in(turn, event, frame=frame) if self._rehearing else []
        return [*warnings, *ended, *self._cutter.told(), *self._revisions(), *again]

    def _ask(self, turn: HeardTurn, *, end_s: float, frame: int) -> None:
        span = Span(turn.started.start_s, end_s)
        is_grown = turn.alone_s >= GROWN * turn.listened_s
        words = () if turn.is_open else [Span(word.start_s, word.end_s) for word in turn.words]
        heard = self.listener.hear(
            self.sound, turn.started.channel, span=span, last_frame=frame, words=words, needs_voice=is_grown
        )
        is_taken = self.voices.ask(turn.started.turn_id, heard, is_last=not turn.is_open)
        if heard and is_grown and is_taken:
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
        first, *others = spoken_parts(answer.parts, turn.words)
        if first.voice:
            turn.placement = self.labels.place(answer.turn_id, first.voice)
            self._channels.learn(turn, first.voice)
        if others:
            cut_off = self._cutter.cut(turn, first, others)
            self._turns |= {piece.started.turn_id: piece for piece in cut_off}
        if answer.is_last:
            turn.is_settled = True
            yield from self._revise()

    def _revise(self) -> Iterator[StreamWarning]:
        """Looks at the other turns again in the light of one that is over."""
        for turn_id, placement in self.labels.revise().items():
            if turn_id in self._turns:
                self._turns[turn_id].placement = placement
        if self.profiles:
            yield from self._ask_profiles(self.profiles)

    def _ask_profiles(self, profiles: LabelProfiles) -> Iterator[StreamWarning]:
        """A name is worth no word: without them the stream goes on."""
        try:
            profiles.update(self.labels)
        except StorageError:
            if self._profiles_were_read:
                message = "enrolled profiles cannot be read: speakers go by their labels until they can"
                yield StreamWarning(reason=WarningReason.PROFILES_UNAVAILABLE, message=message)
            self._profiles_were_read = False
        else:
            self._profiles_were_read = True

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
