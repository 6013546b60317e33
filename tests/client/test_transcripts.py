"""Events add up to a transcript: each turn has one speaker, the last that was told, and the last text."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import equivox
from equivox import (
    FinalWord,
    PartialWords,
    Speaker,
    SpeakerRevised,
    StreamWarning,
    TextRevised,
    TranscribedWord,
    Transcript,
    TranscriptionEvent,
    TurnEnded,
    TurnStarted,
)

ANN, BEN, NOBODY = Speaker(label="S0", profile_id="ann", confidence=0.9), Speaker(label="S1"), Speaker(label="UNKNOWN")


def word(turn_id: int, text: str, start_s: float, speaker: Speaker = NOBODY) -> TranscribedWord:
    return TranscribedWord(
        turn_id=turn_id, text=text, start_s=start_s, end_s=start_s + 0.3, channel=turn_id % 2, speaker=speaker
    )


def said(turn_id: int, *texts: str, start_s: float = 0.0) -> list[TranscriptionEvent]:
    return [
        TurnStarted(turn_id=turn_id, channel=turn_id % 2, start_s=start_s),
        *(FinalWord(word=word(turn_id, text, start_s + number)) for number, text in enumerate(texts)),
    ]


def ended(turn_id: int, speaker: Speaker) -> TurnEnded:
    return TurnEnded(turn_id=turn_id, end_s=9.0, speaker=speaker, forced=False)


def test_talkers_at_once_are_both_kept_and_their_words_mixed_by_time() -> None:
    transcript = Transcript.of([*said(0, "a", "b"), *said(1, "x", "y", start_s=0.5), ended(0, ANN), ended(1, BEN)])
    assert [each.text for each in transcript.words] == ["a", "x", "b", "y"]
    assert [each.speaker.name for each in transcript.words] == ["ann", "S1", "ann", "S1"]
    assert transcript.text == "ann: a b\nS1: x y"


def test_partial_words_are_never_in_the_transcript() -> None:
    partial = PartialWords(turn_id=0, words=(word(0, "maybe", 1.0),))
    assert Transcript.of([*said(0, "sure"), partial]).text == "UNKNOWN: sure"


@given(speakers=st.lists(st.sampled_from([ANN, BEN, NOBODY]), min_size=1), num_words=st.integers(0, 4))
def test_the_last_speaker_told_said_all_words_of_the_turn(speakers: list[Speaker], num_words: int) -> None:
    revisions = [SpeakerRevised(turn_id=0, speaker=speaker) for speaker in speakers]
    transcript = Transcript.of([*said(0, *"abcd"[:num_words]), ended(0, ANN), *revisions])
    [turn] = transcript.turns
    assert turn.speaker == speakers[-1]
    assert [each.speaker for each in turn.words] == [speakers[-1]] * num_words


def test_a_text_revision_replaces_the_words_of_its_turn_alone() -> None:
    revised = TextRevised(turn_id=0, words=(word(0, "hello", 0.0, ANN), word(0, "there", 0.4, ANN)))
    transcript = Transcript.of([*said(0, "yellow"), *said(1, "hi", start_s=3.0), revised])
    assert [each.text for each in transcript.words] == ["hello", "there", "hi"]


def test_an_open_turn_has_no_end() -> None:
    [turn] = Transcript.of(said(0, "a")).turns
    assert (turn.end_s, turn.speaker.known) == (None, False)


def test_a_turn_without_words_is_no_line_of_the_text() -> None:
    transcript = Transcript.of([*said(0), *said(1, "yes"), ended(0, ANN), ended(1, BEN)])
    assert len(transcript.turns) == 2
    assert transcript.text == "S1: yes"


def test_every_warning_of_the_contract_is_named() -> None:
    contract = (Path(equivox.__file__).parent / "v1" / "transcription.proto").read_text()
    kinds = contract.partition("What kind: ")[2].partition("string reason")[0]
    assert set(re.findall(r"[A-Z]{2,}[A-Z_]*", kinds)) - {"UNKNOWN"} <= set(
        re.findall(r"\w+", str(StreamWarning.__doc__))
    )


@pytest.mark.parametrize(
    "event",
    [
        FinalWord(word=word(7, "late", 1.0)),
        TurnEnded(turn_id=7, end_s=1.0, speaker=ANN, forced=False),
        SpeakerRevised(turn_id=7, speaker=ANN),
        TextRevised(turn_id=7, words=()),
    ],
)
def test_an_event_of_a_turn_that_never_began_is_refused(event: TranscriptionEvent) -> None:
    with pytest.raises(ValueError, match="no turn 7 began"):
        Transcript().add(event)
