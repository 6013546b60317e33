"""Transcripts as files: read back by the libraries that people score them with, or by their plain grammar."""

import re
from dataclasses import dataclass

import meeteval
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.errors import InvalidRequestError
from svc.pipelines.live.transcription_events import AttributedSpeaker, TranscribedWord
from svc.pipelines.transcript import (
    MAX_CUE_LETTERS,
    MAX_CUE_S,
    cues_of,
    srt_time,
    to_ctm,
    to_srt,
    to_stm,
    transcript_to_rttm,
)


@dataclass(frozen=True)
class Spoken:
    """A turn as any caller may hold it."""

    channel: int
    start_s: float
    end_s: float | None
    speaker: AttributedSpeaker
    words: tuple[TranscribedWord, ...]


def spoken(label: str, channel: int, start_s: float, text: str, *, profile_id: str | None = None) -> Spoken:
    """Words of half a second each."""
    words = tuple(
        TranscribedWord(
            turn_id=0, text=word, start_s=start_s + place / 2, end_s=start_s + (place + 1) / 2, channel=channel
        )
        for place, word in enumerate(text.split())
    )
    speaker = AttributedSpeaker(label=label, profile_id=profile_id)
    return Spoken(channel, start_s, start_s + len(words) / 2, speaker, words)


TURNS = [spoken("S1", 1, 2.0, "no not yet"), spoken("S0", 0, 1.0, "are you there", profile_id="anna lee")]
turns = st.lists(
    st.builds(
        spoken,
        st.sampled_from(["S0", "S1", "UNKNOWN"]),
        st.integers(0, 1),
        st.integers(0, 400).map(lambda tenths: tenths / 10),
        st.lists(st.text("abcd'", min_size=1, max_size=9), max_size=30).map(" ".join),
    ),
    max_size=8,
)


def test_what_the_formats_look_like() -> None:
    assert to_stm(TURNS, "call") == "call 1 anna_lee 1.000 2.500 are you there\ncall 2 S1 2.000 3.500 no not yet\n"
    assert to_ctm(TURNS[:1], "call").splitlines()[0] == "call 2 2.000 0.500 no"
    assert transcript_to_rttm(TURNS, "call").splitlines()[1] == "SPEAKER call 1 2.000 1.500 <NA> <NA> S1 <NA> <NA>"
    assert to_srt(TURNS).startswith("1\n00:00:01,000 --> 00:00:02,500\nanna lee: are you there\n\n2\n")


@given(turns)
def test_stm_is_read_back_by_meeteval(said: list[Spoken]) -> None:
    lines = list(meeteval.io.STM.parse(to_stm(said, "call")))
    expected = sorted((turn.start_s, turn.channel, turn.speaker.label, len(turn.words)) for turn in said if turn.words)
    found = sorted(
        (float(line.begin_time), int(line.channel) - 1, line.speaker_id, len(line.transcript.split())) for line in lines
    )
    assert found == expected


@given(turns)
def test_ctm_holds_every_word_once_in_order(said: list[Spoken]) -> None:
    rows = [line.split() for line in to_ctm(said, "call").splitlines()]
    keys = [(int(row[1]), float(row[2])) for row in rows]
    assert keys == sorted(keys)
    assert sorted(row[4] for row in rows) == sorted(word.text for turn in said for word in turn.words)
    assert all(float(row[3]) >= 0 for row in rows)


@given(turns)
def test_subtitles_hold_every_word_and_can_be_read(said: list[Spoken]) -> None:
    blocks = [block for block in to_srt(said).split("\n\n") if block.strip()]
    words: list[str] = []
    for number, block in enumerate(blocks, start=1):
        index, times, text = block.strip().split("\n")
        assert int(index) == number
        assert re.fullmatch(r"\d\d:\d\d:\d\d,\d{3} --> \d\d:\d\d:\d\d,\d{3}", times)
        words += text.partition(": ")[2].split()
        assert len(text.partition(": ")[2]) <= max(MAX_CUE_LETTERS, 9)
    assert sorted(words) == sorted(word.text for turn in said for word in turn.words)


@given(turns)
def test_no_subtitle_stands_too_long(said: list[Spoken]) -> None:
    for turn in said:
        for cue in cues_of(turn):
            assert cue[-1].end_s - cue[0].start_s <= MAX_CUE_S


def test_an_open_turn_ends_with_its_last_word_and_an_empty_one_where_it_starts() -> None:
    speaker = AttributedSpeaker(label="S0")
    rttm = transcript_to_rttm(
        [Spoken(0, 1.0, None, speaker, TURNS[0].words), Spoken(1, 4.0, None, speaker, ())], "call"
    )
    assert [line.split()[3:5] for line in rttm.splitlines()] == [["1.000", "2.500"], ["4.000", "0.000"]]


@pytest.mark.parametrize("uri", ["", "two words", "tab\t"])
def test_a_name_that_is_no_column_is_refused(uri: str) -> None:
    for export in (to_stm, to_ctm, transcript_to_rttm):
        with pytest.raises(InvalidRequestError, match="without spaces"):
            export(TURNS, uri)


@given(st.integers(0, 10**8))
def test_subtitle_times_are_exact(milliseconds: int) -> None:
    hours, minutes, seconds, rest = map(int, re.split("[:,]", srt_time(milliseconds / 1000)))
    assert ((hours * 60 + minutes) * 60 + seconds) * 1000 + rest == milliseconds
