"""Transcript files: round trips, joining, STM, and errors that name their line."""

from pathlib import Path

import pytest
from hypothesis import given, settings

from svc.errors import InvalidRequestError
from tests.training.metrics.conversations import conversations, turn
from training.data.transcripts import Transcript, TranscriptTurn, TranscriptWord, read_transcripts, write_transcripts


def read(tmp_path: Path, text: str, name: str = "words.jsonl") -> dict[str, Transcript]:
    (tmp_path / name).write_text(text)
    return read_transcripts(tmp_path / name)


@settings(max_examples=30)
@given(conversations())
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, turns: Transcript) -> None:
    path = tmp_path_factory.mktemp("transcripts") / "turns.jsonl"
    write_transcripts(path, {"one": turns})
    assert read_transcripts(path) == {"one": turns}


def test_when_a_live_system_spoke_is_kept(tmp_path: Path) -> None:
    words = (TranscriptWord(text="yes", start_s=1.0, end_s=1.5, said_at_s=1.75),)
    live = TranscriptTurn(
        speaker="S0", channel=1, start_s=1.0, end_s=1.5, words=words, started_at_s=1.25, ended_at_s=2.0
    )
    write_transcripts(tmp_path / "live.jsonl", {"a": [live]})
    assert read_transcripts(tmp_path / "live.jsonl") == {"a": (live,)}


def test_words_of_a_speaker_within_a_second_are_a_turn(tmp_path: Path) -> None:
    line = '{{"recording": "a", "speaker": "{}", "start_s": {}, "end_s": {}, "text": "{}"}}\n'
    spoken = [("S0", 0, 1, "one"), ("S1", 1, 2, "two"), ("S0", 1.5, 2, "three"), ("S0", 3.5, 4, "four")]
    turns = read(tmp_path, "".join(line.format(*one) for one in spoken))["a"]
    assert [(one.speaker, [word.text for word in one.words]) for one in turns] == [
        ("S0", ["one", "three"]),
        ("S1", ["two"]),
        ("S0", ["four"]),
    ]


def test_stm_gives_turns_and_leaves_out_labels_and_comments(tmp_path: Path) -> None:
    stm = ";; comment\nmeeting 1 ann 0.0 2.0 <o,f0> go on\nmeeting 2 bob 1.0 3.0 stop\n"
    turns = read(tmp_path, stm, "reference.stm")["meeting"]
    assert turns == (turn("go on", 0, 2, speaker="ann", channel=1), turn("stop", 1, 3, speaker="bob", channel=2))


@pytest.mark.parametrize(
    "line",
    ["{", "[]", '{"recording": "a", "text": "x"}', '{"recording": "a", "start_s": 2, "end_s": 1, "text": "x"}',
     '{"recording": "a", "start_s": 0, "end_s": 1, "words": [["x"]]}'],
)  # fmt: skip
def test_a_line_at_fault_is_named(tmp_path: Path, line: str) -> None:
    good = '{"recording": "a", "start_s": 0, "end_s": 1, "text": "x"}\n'
    with pytest.raises(InvalidRequestError, match=r"words\.jsonl:2"):
        read(tmp_path, good + line)


def test_a_missing_file_is_an_error_of_the_caller(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="no transcripts"):
        read_transcripts(tmp_path / "nothing.jsonl")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"event": "final_word", "word": {}}', "give what its --stm FILE writes"),
        ('{"recording": "a", "text": "hello", "end_s": 1}', "no start_s in this turn or word"),
        ("a 1 S0 0.5 0.9 hello", "not JSON; lines as NIST has them must be in a file that ends in .stm"),
        ('{"recording": "a", "speaker": "S", "start_s": NaN, "end_s": 1, "text": "x"}', "starts after it ends"),
    ],
)
def test_what_is_wrong_with_a_line_comes_with_its_remedy(line: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "ours.jsonl").write_text(f"{line}\n")
    with pytest.raises(InvalidRequestError, match=f"ours.jsonl:1: .*{says}"):
        read_transcripts(tmp_path / "ours.jsonl")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("t.stm", "a 1 S 0 1 one"),
        ("t.jsonl", '{"recording": "a", "speaker": "S", "start_s": 0, "end_s": 1, "text": "one"}'),
    ],
)
def test_a_byte_order_mark_is_of_no_recording(name: str, line: str, tmp_path: Path) -> None:
    plain = read(tmp_path, f"{line}\n", name)
    assert read(tmp_path, f"\ufeff{line}\n", name) == plain
    assert plain.keys() == {"a"}


def test_transcripts_in_another_encoding_are_named(tmp_path: Path) -> None:
    (tmp_path / "t.stm").write_bytes("a 1 S0 0 1 schön\n".encode("latin-1"))
    with pytest.raises(InvalidRequestError, match=r"t\.stm is not UTF-8"):
        read_transcripts(tmp_path / "t.stm")


def test_a_line_ends_where_files_end_lines_and_nowhere_else(tmp_path: Path) -> None:
    words = (TranscriptWord(text="a\u2028b", start_s=0.0, end_s=1.0),)
    said = {"r": (TranscriptTurn(speaker="S", channel=0, start_s=0.0, end_s=1.0, words=words),)}
    write_transcripts(tmp_path / "t.jsonl", said)
    assert read_transcripts(tmp_path / "t.jsonl") == said
