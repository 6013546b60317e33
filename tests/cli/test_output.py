"""JSON and whole files."""

import json
import math
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equivox import DiarizationResult, SpeakerTurn, TimeSpan
from svc.cli.output import to_json, write_whole
from svc.cli.timeline import SHADES, axis, clock, lane


class Colour(Enum):
    RED = "red"


def test_every_kind_of_value_has_its_json() -> None:
    value = {
        "e": Colour.RED,
        "t": datetime(2030, 1, 1, tzinfo=UTC),
        "p": Path("a"),
        "x": (1, None, "ü"),
        "s": TimeSpan(0, 1),
    }
    assert json.loads(to_json(value)) == {
        "e": "red",
        "t": "2030-01-01T00:00:00+00:00",
        "p": "a",
        "x": [1, None, "ü"],
        "s": {"start_s": 0, "end_s": 1},
    }


@given(st.floats())
def test_any_float_is_valid_json(number: float) -> None:
    document = to_json([number])
    assert "NaN" not in document
    assert "Infinity" not in document
    assert json.loads(document) == [number if math.isfinite(number) else None]


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "out.json"
    write_whole(target, "old")

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(OSError, match="disk full"):
        write_whole(target, "new")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_device_is_written_into_and_never_replaced() -> None:
    write_whole(Path("/dev/null"), "text")
    assert Path("/dev/null").is_char_device()


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_whole(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "text"


def turn(start_s: float, end_s: float) -> SpeakerTurn:
    return SpeakerTurn(TimeSpan(start_s, end_s), "S0")


def test_a_lane_is_dark_where_there_is_speech() -> None:
    assert lane([turn(2, 4)], 10, 5) == " █   "
    assert lane([turn(0, 10)], 10, 4) == "████"
    assert lane([turn(5, 5.01)], 10, 10)[5] == SHADES[1], "even a word shows"


@given(st.floats(0, 1e5), st.integers(20, 200))
def test_lanes_and_axes_fit_their_width(duration_s: float, num_cells: int) -> None:
    assert len(lane([turn(0, duration_s / 2)], duration_s, num_cells)) == num_cells
    assert 0 < len(axis(duration_s, num_cells)) <= num_cells


@pytest.mark.parametrize(("at_s", "text"), [(0.5, "0.5"), (30, "30"), (60, "1:00"), (3723, "1:02:03")])
def test_clock_reads_as_people_write(at_s: float, text: str) -> None:
    assert clock(at_s) == text


def test_rttm_of_turns_sums_to_their_speech() -> None:
    turns = (turn(0, 1.5), turn(2, 4.25))
    result = DiarizationResult(turns=turns, overlaps=(), speakers=(), duration_s=5, model_fingerprint="")
    durations = [float(line.split()[4]) for line in result.to_rttm("x").splitlines()]
    assert sum(durations) == 3.75
