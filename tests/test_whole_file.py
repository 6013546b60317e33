"""A file is replaced whole, and what could not be finished leaves no trace."""

import os
from pathlib import Path

import pytest

from svc.whole_file import replacing


def fill_the_disk(path: Path) -> None:
    with replacing(path) as beside:
        beside.write_text("half")
        raise OSError("full")


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    path.write_text("old")
    with replacing(path) as beside:
        beside.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    path.write_text("old")
    with pytest.raises(OSError, match="full"):
        fill_the_disk(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_of_the_same_number_left_is_not_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    path.with_name(f".figures.json.{os.getpid()}").write_text("half of an old one")
    with replacing(path) as beside:
        os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        beside.write_text("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_the_new_file_is_on_the_disk_before_it_takes_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, seen = tmp_path / "figures.json", list[str]()
    path.write_text("old")

    def fsync(descriptor: int) -> None:
        seen.append(path.read_text() + os.pread(descriptor, 9, 0).decode())

    monkeypatch.setattr(os, "fsync", fsync)
    with replacing(path) as beside:
        beside.write_text("new")
    assert seen == ["oldnew"]
