"""A finished transcript in the formats people work with: STM and CTM (NIST), RTTM, and SRT subtitles.

It takes any objects that have the parts named here: events of svc.pipelines put together, or the client's transcript.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from svc.pipelines.rttm import check_uri, to_rttm
from svc.types import Span, Turn

# A subtitle that can be read while it stands.
MAX_CUE_S = 6.0
MAX_CUE_LETTERS = 84


class SpokenWord(Protocol):
    """A word and when."""

    @property
    def text(self) -> str: ...

    @property
    def start_s(self) -> float: ...

    @property
    def end_s(self) -> float: ...


class Named(Protocol):
    """A speaker."""

    @property
    def label(self) -> str: ...

    @property
    def profile_id(self) -> str | None: ...


class SpokenTurn(Protocol):
    """A turn; `end_s` is None when the transcript ends before it does."""

    @property
    def channel(self) -> int: ...

    @property
    def start_s(self) -> float: ...

    @property
    def end_s(self) -> float | None: ...

    @property
    def speaker(self) -> Named: ...

    @property
    def words(self) -> Sequence[SpokenWord]: ...


def to_stm(turns: Iterable[SpokenTurn], uri: str) -> str:
    """One line a turn that has words."""
    check_uri(uri, "STM")
    return "".join(
        stm_line(uri, named_span(turn), channel=turn.channel, text=text_of(turn.words))
        for turn in in_order(turns)
        if turn.words
    )


def stm_line(uri: str, turn: Turn, *, channel: int, text: str) -> str:
    """Recording, channel (counted from 1 in files, from 0 here), speaker, start, end, words."""
    return f"{uri} {channel + 1} {turn.speaker} {turn.span.start_s:.3f} {turn.span.end_s:.3f} {text}\n"


def to_ctm(turns: Iterable[SpokenTurn], uri: str) -> str:
    """One line a word, by channel and start: recording, channel (from 1), start, duration, word."""
    check_uri(uri, "CTM")
    words = sorted(
        (turn.channel + 1, round(word.start_s, 3), round(word.end_s, 3), column(word.text))
        for turn in turns
        for word in turn.words
    )
    return "".join(f"{uri} {channel} {start:.3f} {end - start:.3f} {text}\n" for channel, start, end, text in words)


def transcript_to_rttm(turns: Iterable[SpokenTurn], uri: str) -> str:
    """One line a turn: who spoke when, without the words."""
    return to_rttm(map(named_span, in_order(turns)), uri)


def to_srt(turns: Iterable[SpokenTurn]) -> str:
    """Subtitles by start, each with its speaker; long turns are cut between words."""
    cues = sorted(
        (cue[0].start_s, cue[-1].end_s, name_of(turn), text_of(cue)) for turn in turns for cue in cues_of(turn)
    )
    blocks = (
        f"{number}\n{srt_time(start_s)} --> {srt_time(end_s)}\n{name}: {text}\n"
        for number, (start_s, end_s, name, text) in enumerate(cues, start=1)
    )
    return "\n".join(blocks)


def cues_of(turn: SpokenTurn) -> Iterator[list[SpokenWord]]:
    """The turn's words in groups short enough for one subtitle."""
    cue: list[SpokenWord] = []
    for word in turn.words:
        too_long = cue and word.end_s - cue[0].start_s > MAX_CUE_S
        if too_long or (cue and len(text_of([*cue, word])) > MAX_CUE_LETTERS):
            yield cue
            cue = []
        cue.append(word)
    if cue:
        yield cue


def text_of(words: Sequence[SpokenWord]) -> str:
    return " ".join(word.text for word in words)


def in_order(turns: Iterable[SpokenTurn]) -> list[SpokenTurn]:
    return sorted(turns, key=lambda turn: (turn.start_s, turn.channel))


def named_span(turn: SpokenTurn) -> Turn:
    """The turn without its words, under the speaker's name."""
    return Turn(Span(turn.start_s, end_of(turn)), column(name_of(turn)))


def end_of(turn: SpokenTurn) -> float:
    """An open turn ends with its last word."""
    if turn.end_s is not None:
        return turn.end_s
    return max((word.end_s for word in turn.words), default=turn.start_s)


def name_of(turn: SpokenTurn) -> str:
    """The profile where one matched, else the label."""
    return turn.speaker.profile_id or turn.speaker.label


def column(text: str) -> str:
    """Without spaces, which separate columns; "-" for nothing."""
    return "_".join(text.split()) or "-"


def srt_time(time_s: float) -> str:
    """HH:MM:SS,mmm."""
    milliseconds = math.floor(time_s * 1000 + 0.5)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02},{milliseconds % 1000:03}"
