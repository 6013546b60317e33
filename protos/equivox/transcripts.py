"""What a live transcription hands back: events as plain frozen dataclasses, and the transcript they add up to.

Times are seconds from the start of the stream.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from grpc import StatusCode

from equivox.errors import EquivoxError

UNKNOWN = "UNKNOWN"
"""Label of a speaker who cannot be told."""
DRAINING = "DRAINING"
"""Reason of the warning that a server shuts down, and of the error that its transcript is not whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """Who, as far as it can be told: a label stable within the stream, or UNKNOWN; `confidence` is its posterior."""

    label: str
    profile_id: str | None = None
    confidence: float = 0.0

    @property
    def known(self) -> bool:
        return self.label != UNKNOWN

    @property
    def name(self) -> str:
        """The matched profile, else the label."""
        return self.profile_id or self.label


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscribedWord:
    """A word, when, on which of two channels (talkers at once are on different ones), and by whom."""

    turn_id: int
    text: str
    start_s: float
    end_s: float
    channel: int
    speaker: Speaker


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamAccepted:
    """The first event. `max_speed` 0 = no limit; the client keeps to it, the burst and the idle timeout by itself."""

    session_id: str
    algorithmic_latency_s: float
    model_fingerprint: str
    max_speed: float
    max_burst_s: float
    idle_timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnStarted:
    """A turn began."""

    turn_id: int
    channel: int
    start_s: float
    # Off another turn, whose words it repeats.
    cut_off: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialWords:
    """All words of a turn that may still change; replaces the set of that turn sent before."""

    turn_id: int
    words: tuple[TranscribedWord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalWord:
    """A word that stays as it is, but for its speaker."""

    word: TranscribedWord


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnded:
    """A turn is over; `speaker` said all its words. `forced` when the model did not end it: the watchdog, a flush,
    the next turn on its channel or the end of the stream did.
    """

    turn_id: int
    end_s: float
    speaker: Speaker
    forced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerRevised:
    """From now on, all words of that turn are by `speaker`."""

    turn_id: int
    speaker: Speaker


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRevised:
    """From now on, these are all words of that turn. With `end_s` it was cut there: somebody else said the rest, which
    follows in turns of its own.
    """

    turn_id: int
    words: tuple[TranscribedWord, ...]
    end_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamWarning:
    """The stream goes on, but; `reason` is CLIPPED, SILENCE, BAND_MISMATCH, RATE_SUSPECT, ATTRIBUTION_BEHIND,
    PROFILES_UNAVAILABLE, SECOND_PASS_BEHIND, SECOND_PASS_FAILED, DRAINING, or one of a newer server.
    """

    reason: str
    message: str


TranscriptionEvent = (
    StreamAccepted | TurnStarted | PartialWords | FinalWord | TurnEnded | SpeakerRevised | TextRevised | StreamWarning
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptTurn:
    """One talker's turn; `end_s` None while it lasts."""

    turn_id: int
    channel: int
    start_s: float
    end_s: float | None
    speaker: Speaker
    words: tuple[TranscribedWord, ...]

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


@dataclass(slots=True)
class Transcript:
    """All that was said so far, with every revision applied. Grows as events are added; starts empty."""

    accepted: StreamAccepted | None = None
    warnings: list[StreamWarning] = field(default_factory=list)
    _turns: dict[int, TranscriptTurn] = field(default_factory=dict)

    @classmethod
    def of(cls, events: Iterable[TranscriptionEvent]) -> "Transcript":
        """The transcript those events add up to."""
        transcript = cls()
        for event in events:
            transcript.add(event)
        return transcript

    @property
    def turns(self) -> tuple[TranscriptTurn, ...]:
        """By start."""
        return tuple(sorted(self._turns.values(), key=lambda turn: (turn.start_s, turn.turn_id)))

    @property
    def words(self) -> tuple[TranscribedWord, ...]:
        """Final words by start; of talkers at once, mixed."""
        words = [word for turn in self._turns.values() for word in turn.words]
        return tuple(sorted(words, key=lambda word: (word.start_s, word.turn_id)))

    @property
    def text(self) -> str:
        """One line a turn in which words were heard: who, and what they said."""
        return "\n".join(f"{turn.speaker.name}: {turn.text}" for turn in self.turns if turn.words)

    def check_heard_to_end(self) -> None:
        """Raises EquivoxError (UNAVAILABLE, reason DRAINING) when the server shut down before it had heard all."""
        if any(warning.reason == DRAINING for warning in self.warnings):
            end_s = max((turn.end_s or turn.start_s for turn in self.turns), default=0.0)
            raise EquivoxError(
                f"the server shut down before the end of the audio: what was said after {end_s:.1f} s is missing; "
                "transcribe it again",
                code=StatusCode.UNAVAILABLE,
                reason=DRAINING,
            )

    def add(self, event: TranscriptionEvent) -> None:
        """The next event of the stream. ValueError for one of a turn whose beginning was not added."""
        match event:
            case StreamAccepted():
                self.accepted = event
            case StreamWarning():
                self.warnings.append(event)
            case TurnStarted():
                self._begin(event)
            case FinalWord(word=word):
                turn = self._turn(word.turn_id)
                self._turns[word.turn_id] = replace(turn, words=(*turn.words, word), speaker=word.speaker)
            case TurnEnded():
                self._turns[event.turn_id] = replace(self._said_by(event.turn_id, event.speaker), end_s=event.end_s)
            case SpeakerRevised():
                self._turns[event.turn_id] = self._said_by(event.turn_id, event.speaker)
            case TextRevised():
                turn = self._turn(event.turn_id)
                end_s = turn.end_s if event.end_s is None else event.end_s
                self._turns[event.turn_id] = replace(turn, words=event.words, end_s=end_s)

    def _begin(self, event: TurnStarted) -> None:
        self._turns[event.turn_id] = TranscriptTurn(
            turn_id=event.turn_id,
            channel=event.channel,
            start_s=event.start_s,
            end_s=None,
            speaker=Speaker(label=UNKNOWN),
            words=(),
        )

    def _turn(self, turn_id: int) -> TranscriptTurn:
        if turn_id not in self._turns:
            raise ValueError(f"no turn {turn_id} began: add all events of a stream, from its first, to one transcript")
        return self._turns[turn_id]

    def _said_by(self, turn_id: int, speaker: Speaker) -> TranscriptTurn:
        turn = self._turn(turn_id)
        return replace(turn, speaker=speaker, words=tuple(replace(word, speaker=speaker) for word in turn.words))
