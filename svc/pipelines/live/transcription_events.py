"""What a live transcription tells its caller, event by event; the same events as in transcription.proto.

Times are seconds from the start of the stream. A turn's events come in this order: TurnStarted, then partial words
(each set replaces the one before) and final words, then TurnEnded, then any number of revisions. A turn in which two
people prove to speak is cut by a TextRevised, and what is cut off follows as turns of their own.
"""

from dataclasses import dataclass
from enum import Enum

UNKNOWN_LABEL = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributedSpeaker:
    """Who, as far as it can be told: a stable local label S0, S1, .. or UNKNOWN; `confidence` is its posterior."""

    label: str
    profile_id: str | None = None
    confidence: float = 0.0


NOBODY_KNOWN = AttributedSpeaker(label=UNKNOWN_LABEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscribedWord:
    """A word, when, on which of the separator's two channels, and by whom."""

    turn_id: int
    text: str
    start_s: float
    end_s: float
    channel: int
    speaker: AttributedSpeaker = NOBODY_KNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnStarted:
    """A turn began; turn_ids count up from 0 in the order of these events. `cut_off`: of another turn, whose words it
    repeats.
    """

    turn_id: int
    channel: int
    start_s: float
    cut_off: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialWords:
    """All words of a turn that may still change; replaces the set of that turn sent before."""

    turn_id: int
    words: tuple[TranscribedWord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalWord:
    """A word whose text and times stay, unless a TextRevised replaces all words of its turn; its speaker stays until a
    SpeakerRevised of its turn, or its TurnEnded.
    """

    word: TranscribedWord


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnded:
    """A turn is over; `speaker` said all its words. `forced` when the model did not end it: the watchdog, a flush,
    the next turn on its channel or the end of the stream did.
    """

    turn_id: int
    end_s: float
    forced: bool
    speaker: AttributedSpeaker = NOBODY_KNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerRevised:
    """From now on, all words of that turn are by `speaker`."""

    turn_id: int
    speaker: AttributedSpeaker


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRevised:
    """From now on, these are all words of that turn. With `end_s` it ends there: what came after was somebody else, and
    a turn of its own that begins, speaks and ends right after this event.
    """

    turn_id: int
    words: tuple[TranscribedWord, ...]
    end_s: float | None = None


class WarningReason(Enum):
    """Why a stream may be worse than it could be; the name goes over the wire."""

    CLIPPED = "clipped"
    SILENCE = "silence"
    BAND_MISMATCH = "band_mismatch"
    RATE_SUSPECT = "rate_suspect"
    # Too busy to tell who speaks: words go out as by UNKNOWN.
    ATTRIBUTION_BEHIND = "attribution_behind"
    # Enrolled people go by their labels.
    PROFILES_UNAVAILABLE = "profiles_unavailable"
    # Too busy to recognise a turn again, or it went wrong: its text stays.
    SECOND_PASS_BEHIND = "second_pass_behind"
    SECOND_PASS_FAILED = "second_pass_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamWarning:
    """The stream goes on, but."""

    reason: WarningReason
    message: str


TranscriptionEvent = TurnStarted | PartialWords | FinalWord | TurnEnded | SpeakerRevised | TextRevised | StreamWarning
