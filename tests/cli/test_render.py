"""What people read: names as people wrote them, and nothing drawn of nothing."""

from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from equivox import DiarizationResult, LoadedModel
from svc.cli.inputs import UsageError, check_out
from svc.cli.models import show_file
from svc.cli.render import facts, listing, show_models
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


def test_models_are_listed_with_fingerprints_that_can_be_copied() -> None:
    shown = StringIO()
    licence = "research only: trained on data some of which is for non-commercial use; and so on"
    name, fingerprint = "transcriber-english-digits", "e723321eb8b3b089"
    model = LoadedModel(name=name, role="transcriber", fingerprint=fingerprint, licence=licence, runtime="torch")
    show_models(Console(file=shown, width=80), [model])
    heading, line = shown.getvalue().splitlines()
    assert line.split() == [name, "transcriber", fingerprint, "research", "only"]
    assert max(len(heading), len(line)) <= 80


def test_a_card_is_shown_as_the_file_it_is() -> None:
    shown = StringIO()
    card = f'tensors_sha256 = "{64 * "a"}"  # [not] markup {64 * "b"}'
    show_file(Console(file=shown, width=80), card)
    assert shown.getvalue() == card + "\n"


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
