"""A turn of a live stream of which the speaker can still change, and how its words are told."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from svc.pipelines.live.speaker_labels import NOWHERE, Placement
from svc.pipelines.live.transcription_events import (
    NOBODY_KNOWN,
    AttributedSpeaker,
    FinalWord,
    TranscribedWord,
    TranscriptionEvent,
    TurnEnded,
    TurnStarted,
)

# An open turn is first placed after so much speech alone, then whenever it has three times as much.
FIRST_GUESS_S = 1.5


@dataclass(slots=True)
class HeardTurn:
    """A turn of which the speaker can still change."""

    started: TurnStarted
    words: list[TranscribedWord] = field(default_factory=list)
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
    # The turns it proved to be, itself the first, and when each begins.
    split_into: tuple[tuple[int, float], ...] = ()


def spoken_by(turn: HeardTurn) -> tuple[TranscribedWord, ...]:
    """A turn's words as by whom the caller was last told."""
    speaker = turn.told or NOBODY_KNOWN
    return tuple(replace(word, turn_id=turn.started.turn_id, speaker=speaker) for word in turn.words)


def told_whole(turn: HeardTurn) -> Iterator[TranscriptionEvent]:
    """Of a turn that is over before anybody was told of it."""
    words = spoken_by(turn)
    yield turn.started
    yield from (FinalWord(word=word) for word in words)
    yield TurnEnded(
        turn_id=turn.started.turn_id, end_s=words[-1].end_s, forced=False, speaker=turn.told or NOBODY_KNOWN
    )
