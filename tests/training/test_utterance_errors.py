"""Errors of each utterance of a recording, and the file they are kept in."""

import resource
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.errors import InvalidRequestError
from tests.training.metrics.conversations import turn
from training.data.transcripts import Transcript
from training.metrics.transcription import WordErrors, transcription_errors
from training.utterance_errors import UtteranceErrors, append_errors, errors_by_turn, read_errors

TEXTS = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(" ".join)


def said(texts: list[str], *, channels: tuple[int, ...] = (0,)) -> Transcript:
    """Turns of a second, one after another."""
    return tuple(
        turn(text, at, at + 1.0, channel=channels[at % len(channels)]) for at, text in enumerate(texts) if text
    )


def heard(name: str, *, transcriber: str = "m", **counts: int) -> UtteranceErrors:
    return UtteranceErrors(
        utterance_id=name,
        speaker="ann",
        domain="phrases",
        recording="r",
        duration_s=1.5,
        transcriber=transcriber,
        errors=WordErrors(**counts),
    )


@given(st.lists(TEXTS, min_size=1, max_size=4), st.lists(TEXTS, max_size=4))
def test_errors_of_the_turns_add_up_to_those_of_the_recording(reference: list[str], hypothesis: list[str]) -> None:
    counts = errors_by_turn(said(reference), said(hypothesis, channels=(0, 1)))
    whole = transcription_errors(said(reference), said(hypothesis)).cp
    assert sum((one.errors for one in counts), 0) == whole.errors
    assert [one.words for one in counts] == [len(text.split()) for text in reference]


def test_a_word_too_many_is_of_the_turn_nearest_in_time() -> None:
    counts = errors_by_turn(said(["a b", "c"]), (turn("a b", 0, 1), turn("x", 1.9, 2.4)))
    assert counts == [WordErrors(words=2), WordErrors(words=1, substitutions=1)]
    counts = errors_by_turn(said(["a b", "c"]), (turn("a b", 0, 1), turn("c", 1, 2), turn("x", 2.1, 2.4)))
    assert counts == [WordErrors(words=2), WordErrors(words=1, insertions=1)]


def test_what_is_appended_is_read_again_in_order(tmp_path: Path) -> None:
    first, second = heard("a", words=3, deletions=1), heard("b", words=2, insertions=4)
    append_errors(tmp_path / "errors.jsonl", [first])
    append_errors(tmp_path / "errors.jsonl", [second])
    assert read_errors(tmp_path / "errors.jsonl") == [first, second]


@pytest.mark.parametrize("mark", ["\u2028", "\x85"])
def test_a_line_ends_where_files_end_lines_and_nowhere_else(mark: str, tmp_path: Path) -> None:
    append_errors(tmp_path / "errors.jsonl", [heard(f"a{mark}b", words=1)])
    assert read_errors(tmp_path / "errors.jsonl") == [heard(f"a{mark}b", words=1)]


def test_a_line_cut_short_is_passed_over_and_then_replaced(tmp_path: Path) -> None:
    path = tmp_path / "errors.jsonl"
    append_errors(path, [heard("a", words=1), heard("b", words=1)])
    path.write_bytes(path.read_bytes()[:-9])
    assert [one.utterance_id for one in read_errors(path)] == ["a"]
    append_errors(path, [heard("b", words=2)])
    assert read_errors(path) == [heard("a", words=1), heard("b", words=2)]


def test_where_the_disk_is_full_a_recording_is_not_half_there(tmp_path: Path) -> None:
    path = tmp_path / "errors.jsonl"
    append_errors(path, [heard("a", words=1)])
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 * len(before), limits[1]))
    try:
        with pytest.raises(OSError, match="No space left"):
            append_errors(path, [heard(name, words=1) for name in "bcde"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before


def test_errors_with_a_byte_order_mark_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "errors.jsonl"
    append_errors(path, [heard("a", words=1)])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_errors(path) == [heard("a", words=1)]


def test_errors_in_another_encoding_are_named(tmp_path: Path) -> None:
    (tmp_path / "errors.jsonl").write_bytes('{"utterance_id": "schön"}\n'.encode("latin-1"))
    with pytest.raises(InvalidRequestError, match=r"errors\.jsonl is not UTF-8"):
        read_errors(tmp_path / "errors.jsonl")


def test_appending_reads_no_more_than_the_end(tmp_path: Path) -> None:
    path = tmp_path / "errors.jsonl"
    with path.open("wb") as file:
        file.seek(64 * 2**20)  # a hole, which costs no disk
        file.write(b"\n")
    tracemalloc.start()
    try:
        append_errors(path, [heard("a", words=1)])
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([heard("a"), heard("b", transcriber="other")], "several models: m, other"),
        ([heard("a"), heard("a")], "an utterance twice"),
    ],
)
def test_a_file_that_mixes_runs_is_refused(tmp_path: Path, lines: list[UtteranceErrors], told: str) -> None:
    append_errors(tmp_path / "errors.jsonl", lines)
    with pytest.raises(InvalidRequestError, match=told):
        read_errors(tmp_path / "errors.jsonl")


def test_a_line_of_something_else_is_named(tmp_path: Path) -> None:
    (tmp_path / "errors.jsonl").write_text('{"utterance_id": "a"}\n')
    with pytest.raises(InvalidRequestError, match=r"errors\.jsonl:1: no errors of an utterance"):
        read_errors(tmp_path / "errors.jsonl")
