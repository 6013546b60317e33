"""What people read: names as people wrote them, and nothing drawn of nothing."""

from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from equivox import DiarizationResult
from svc.cli.inputs import UsageError, check_out
from svc.cli.render import facts, listing
from svc.cli.timeline import show_diarization

names = st.text("ab[]/#@\\=", max_size=12)


def drawn(thing: object) -> str:
    shown = StringIO()
    Console(file=shown, width=200).print(thing)
    return shown.getvalue()


@given(name=names)
def test_a_name_is_shown_as_it_was_written(name: str) -> None:
    assert name in drawn(facts([("name", name)]))
    assert name in drawn(listing(("name", "x"), [(name, "y")]))


def test_where_nobody_speaks_no_empty_axis_is_drawn() -> None:
    shown = StringIO()
    result = DiarizationResult(turns=(), overlaps=(), speakers=(), duration_s=3.0, model_fingerprint="f")
    show_diarization(Console(file=shown), result)
    assert shown.getvalue() == "nobody was heard speaking in 3.0 s\n"


@pytest.mark.parametrize(("file", "says"), [("no/x.json", "no folder"), (".", "is a folder")])
def test_a_file_that_can_never_be_written_is_misuse(file: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=says):
        check_out(tmp_path / file)


@pytest.mark.parametrize("file", ["new.json", "old.json", "/dev/null"])
def test_any_other_file_may_be_written(file: str, tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("old")
    check_out(tmp_path / file)
