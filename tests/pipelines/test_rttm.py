"""RTTM: what is written is read back, and what cannot be read is named."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.errors import InvalidRequestError
from svc.pipelines.rttm import read_rttm, to_rttm
from svc.types import Span, Turn

milliseconds = st.integers(0, 10_000_000)
turns = st.builds(
    lambda start, length, speaker: Turn(Span(start / 1000, (start + length) / 1000), f"S{speaker}"),
    milliseconds,
    st.integers(1, 100_000),
    st.integers(0, 9),
)


@given(st.lists(turns, max_size=20))
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, found: list[Turn]) -> None:
    path = tmp_path_factory.mktemp("rttm") / "meeting.rttm"
    path.write_text(to_rttm(sorted(found), "trñ00"), encoding="utf-8")

    again = read_rttm(path).get("trñ00", ())

    def rounded(of: list[Turn]) -> list[tuple[float, float, str]]:
        return sorted((round(t.span.start_s, 3), round(t.span.end_s, 3), t.speaker) for t in of)

    assert rounded(list(again)) == rounded(found)


@pytest.mark.parametrize("uri", ["", "two words", "tab\tbed", "line\n"])
def test_a_uri_that_would_break_columns_is_refused(uri: str) -> None:
    with pytest.raises(InvalidRequestError, match="uri"):
        to_rttm([], uri)


@pytest.mark.parametrize("line", ["SPEAKER a 1 x 1.0 <NA> <NA> A <NA> <NA>", "SPEAKER a 1 0.0"])
def test_a_broken_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "broken.rttm"
    path.write_text("SPKR-INFO a 1 <NA> <NA> <NA> unknown A <NA> <NA>\n" + line)
    with pytest.raises(InvalidRequestError, match=r"broken\.rttm:2"):
        read_rttm(path)


def test_a_byte_order_mark_costs_no_turn(tmp_path: Path) -> None:
    path = tmp_path / "a.rttm"
    path.write_text("\ufeff" + to_rttm([Turn(Span(0.0, 1.5), "S0")], "a"), encoding="utf-8")
    assert read_rttm(path) == {"a": (Turn(Span(0.0, 1.5), "S0"),)}
