"""What the model emits, frame by frame, into turns and words with times; nothing is lost whatever the model does.

It should say <sot> words <eot>. Where it does not, a word outside any turn opens one, a second <sot> closes the first,
and a watchdog closes turns that nobody ends. All of it depends on frames only, so chunking cannot change it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from svc.backends.protocols import Emission
from svc.pipelines.live.spelling import SpelledWord, Speller
from svc.pipelines.live.transcription_events import FinalWord, TranscribedWord, TurnEnded, TurnStarted
from svc.types import FloatArray
from svc.units import END_OF_TURN, START_OF_TURN, Units, is_silent

NUM_CHANNELS = 2
# A word's last token comes at most so many frames after its sound: recognisers are trained so (bands of their recipes).
LATEST_TOKEN_FRAMES = 12
TurnEvent = TurnStarted | FinalWord | TurnEnded


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnConfig:
    """When turns end that the model does not end, and how times are estimated."""

    # Without a token and without speech for this long, a turn is over.
    idle_s: float = 1.5
    # No turn is longer: it bounds what is kept of it.
    longest_turn_s: float = 60.0
    # Probability from which a frame of a channel counts as speech.
    active_probability: float = 0.5
    # Speech goes on over pauses up to this.
    pause_s: float = 0.2
    # A <sot> comes at most this long after the speech it announces.
    longest_onset_s: float = 1.0
    # Where the word before ended long ago, a word began at most this long before its end.
    word_s: float = 0.15
    letter_s: float = 0.09

    def __post_init__(self) -> None:
        if not 0 < self.idle_s <= self.longest_turn_s or not 0 < self.active_probability < 1:
            raise ValueError(f"need 0 < idle_s <= longest_turn_s and 0 < active_probability < 1, got {self}")
        if min(self.pause_s, self.longest_onset_s, self.word_s, self.letter_s) < 0:
            raise ValueError(f"durations must not be negative, got {self}")


@dataclass(slots=True)
class OpenTurn:
    """A turn under way."""

    turn_id: int
    channel: int
    start_s: float
    start_frame: int
    speller: Speller
    # False when a word opened it: then the <sot> that may still come is its own.
    announced: bool
    last_token_frame: int
    last_word_end_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.last_word_end_s = self.start_s


class TurnTracker:
    """The turns of both channels of one stream. `step` takes the frames of 40 ms in order."""

    def __init__(
        self,
        units: Units,
        *,
        frame_s: float,
        delay_s: float,
        config: TurnConfig | None = None,
        numbers: Iterator[int] | None = None,
    ) -> None:
        """`numbers` gives the turn_ids, 0, 1, .. unless others take of them too."""
        self.config = config or TurnConfig()
        self.units = units
        self.frame_s = frame_s
        self.delay_s = delay_s
        self._channels = tuple(_Channel(number, self) for number in range(NUM_CHANNELS))
        self._numbers = numbers or count()
        self.frame = -1
        self._end_s = float("inf")

    @property
    def open_turns(self) -> tuple[OpenTurn, ...]:
        """At most one a channel."""
        return tuple(channel.turn for channel in self._channels if channel.turn)

    def step(
        self, frame: int, emitted: Sequence[Sequence[Emission]], activity: FloatArray, *, pending: Sequence[bool] = ()
    ) -> list[TurnEvent]:
        """The tokens (per channel) and speech probabilities (C,) of the next frame.

        `pending` tells on which channels the decoder still holds tokens back: their turns are not idle.
        """
        self.frame = frame
        events: list[TurnEvent] = []
        for channel, tokens, probability in zip(self._channels, emitted, activity.tolist(), strict=True):
            channel.hear(frame, active=probability >= self.config.active_probability)
            for token in tokens:
                events += channel.take(token)
            events += channel.watch(frame, idle=not (pending and pending[channel.number]))
        return events

    def flush(self) -> list[TurnEvent]:
        """Closes the open turns now."""
        return [event for channel in self._channels for event in channel.close(self.frame, forced=True)]

    def end_at(self, end_s: float) -> None:
        """The audio ends here: frames that follow are the model's delay, and no time lies past it."""
        self._end_s = end_s

    def unstable_words(self, unstable: Sequence[Sequence[Emission]]) -> dict[int, tuple[TranscribedWord, ...]]:
        """turn_id -> the words of each open turn that may still change; `unstable` are tokens not final yet."""
        return {
            channel.turn.turn_id: tuple(channel.peek(channel.turn, tokens))
            for channel, tokens in zip(self._channels, unstable, strict=True)
            if channel.turn
        }

    def time_s(self, frame: int) -> float:
        """Up to when the model had heard, and can speak of, at its frame."""
        return min(max(0.0, (frame + 1) * self.frame_s - self.delay_s), self._end_s)

    def next_turn_id(self) -> int:
        """Counts up over both channels."""
        return next(self._numbers)


class _Channel:
    """The turns of one channel."""

    def __init__(self, number: int, tracker: TurnTracker) -> None:
        self.number = number
        self.tracker = tracker
        self.turn: OpenTurn | None = None
        # Nothing new on this channel starts earlier.
        self.free_s = 0.0
        self._onset_frame: int | None = None
        self._last_active_frame: int | None = None

    def hear(self, frame: int, *, active: bool) -> None:
        """Remembers when the current stretch of speech began and when speech was last heard."""
        if not active:
            return
        pause_s = (frame - self._last_active_frame) * self.tracker.frame_s if self._last_active_frame is not None else 0
        if self._onset_frame is None or pause_s > self.tracker.config.pause_s + self.tracker.frame_s:
            self._onset_frame = frame
        self._last_active_frame = frame

    def take(self, token: Emission) -> list[TurnEvent]:
        if token.token_id == START_OF_TURN:
            return self._start(token)
        if token.token_id == END_OF_TURN:
            return self.close(token.frame, forced=False)
        if is_silent(token.token_id):
            return []
        events: list[TurnEvent] = [] if self.turn else [self._open(token, announced=False)]
        if turn := self.turn:
            turn.last_token_frame = max(turn.last_token_frame, token.frame)
            events += self._final(turn, turn.speller.add(token))
        return events

    def watch(self, frame: int, *, idle: bool) -> list[TurnEvent]:
        """Closes a turn that nobody ends."""
        if self.turn is None:
            return []
        config, frame_s = self.tracker.config, self.tracker.frame_s
        last_sign = max(self.turn.last_token_frame, self._last_active_frame or 0)
        too_idle = idle and (frame - last_sign) * frame_s >= config.idle_s
        too_long = (frame - self.turn.start_frame) * frame_s >= config.longest_turn_s
        return self.close(frame, forced=True) if too_idle or too_long else []

    def close(self, frame: int, *, forced: bool) -> list[TurnEvent]:
        turn = self.turn
        if turn is None:
            return []
        events: list[TurnEvent] = [*self._final(turn, turn.speller.finish())]
        # The token comes some time after the speech it ends.
        heard_s = self.tracker.time_s(min(frame, self._last_active_frame)) if self._last_active_frame is not None else 0
        end_s = max(turn.last_word_end_s, heard_s)
        self.turn, self.free_s = None, end_s
        return [*events, TurnEnded(turn_id=turn.turn_id, end_s=end_s, forced=forced)]

    def peek(self, turn: OpenTurn, unstable: Sequence[Emission]) -> list[TranscribedWord]:
        pieces = [token for token in unstable if not is_silent(token.token_id)]
        words, floor_s = [], turn.last_word_end_s
        for spelled in turn.speller.peek(pieces):
            words.append(self._timed(turn, spelled, floor_s=floor_s))
            floor_s = words[-1].end_s
        return words

    def _start(self, token: Emission) -> list[TurnEvent]:
        longest_frames = self.tracker.config.longest_onset_s / self.tracker.frame_s
        if self.turn and not self.turn.announced and token.frame - self.turn.start_frame <= longest_frames:
            self.turn.announced = True
            return []
        return [*self.close(token.frame, forced=True), self._open(token, announced=True)]

    def _open(self, token: Emission, *, announced: bool) -> TurnStarted:
        start_s = max(self.free_s, self._start_s(token, announced=announced))
        turn_id = self.tracker.next_turn_id()
        self.turn = OpenTurn(
            turn_id=turn_id,
            channel=self.number,
            start_s=start_s,
            start_frame=token.frame,
            speller=Speller(self.tracker.units),
            announced=announced,
            last_token_frame=token.frame,
        )
        return TurnStarted(turn_id=turn_id, channel=self.number, start_s=start_s)

    def _start_s(self, token: Emission, *, announced: bool) -> float:
        """When the speech set in that a <sot> announces; a word comes only at its end."""
        config, now_s = self.tracker.config, self.tracker.time_s(token.frame)
        onset_s = self._onset_s(token.frame)
        if onset_s is not None and now_s - onset_s <= config.longest_onset_s:
            return min(now_s, onset_s)
        num_letters = 0 if announced else len(self.tracker.units.piece(token.token_id))
        return now_s - (config.word_s + config.letter_s * num_letters if num_letters else 0.0)

    def _final(self, turn: OpenTurn, words: Sequence[SpelledWord]) -> list[FinalWord]:
        events = []
        for spelled in words:
            word = self._timed(turn, spelled, floor_s=turn.last_word_end_s)
            turn.last_word_end_s = word.end_s
            events.append(FinalWord(word=word))
        return events

    def _timed(self, turn: OpenTurn, spelled: SpelledWord, *, floor_s: float) -> TranscribedWord:
        """Words end when their last piece comes out. They begin where the word before ended, but for a pause: then
        where speech set in again, or no longer ago than so many letters take.
        """
        config, tracker = self.tracker.config, self.tracker
        end_s = max(floor_s, tracker.time_s(spelled.last_frame))
        first_s = min(end_s, tracker.time_s(spelled.first_frame))
        longest_s = config.word_s + config.letter_s * len(spelled.text)
        start_s = max(end_s - longest_s, self._onset_s(spelled.first_frame) or 0.0)
        start_s = max(floor_s, min(start_s, first_s))
        return TranscribedWord(
            turn_id=turn.turn_id, text=spelled.text, start_s=start_s, end_s=end_s, channel=self.number
        )

    def _onset_s(self, frame: int) -> float | None:
        """When the stretch of speech that `frame` is in, or comes just after, set in."""
        if self._onset_frame is None or self._onset_frame > frame:
            return None
        return self.tracker.time_s(self._onset_frame - 1)
