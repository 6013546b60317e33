"""The manifest of a folder of speech: one row a clip, read into typed rows. Empty = unknown; nothing is guessed."""

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TextIO

from svc.errors import InvalidRequestError

# Talkers of one split are in no other.
TRAIN, DEV, TEST = SPLITS = ("train", "dev", "test")
# Whom anything may be learnt from, or chosen on.
LEARNT_SPLITS = (TRAIN, DEV)
# Whom anything may be judged by.
JUDGED_SPLITS = (DEV, TEST)
NOISE = "noise"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One recording; `path` is relative to the folder of the manifest. Empty strings and None = unknown."""

    path: str
    corpus: str
    split: str
    speaker: str
    session: str
    sex: str
    country: str
    language: str
    age: float | None
    channel: str
    sample_rate_hz: int
    duration_s: float
    text: str


COLUMNS = tuple(field.name for field in fields(Clip))


def data_root() -> Path:
    """The folder of real speech: $EQUIVOX_DATA, else ../shared/data."""
    return Path(os.environ.get("EQUIVOX_DATA", "../shared/data"))


def read_manifest(path: Path) -> list[Clip]:
    """All clips in file order. Raises InvalidRequestError naming the line and column at fault."""
    return [clip for clip, _ in read_with_columns(path, ())]


def read_with_columns(path: Path, columns: Sequence[str]) -> list[tuple[Clip, tuple[str, ...]]]:
    """All clips in file order, each with its values of any columns, those `Clip` does not know included.

    Raises InvalidRequestError naming the line and column at fault.
    """
    if not path.is_file():
        raise InvalidRequestError(
            f"no manifest at {path}: set EQUIVOX_DATA to a folder with one, or give --root", field="manifest"
        )
    with opened(path, "manifest") as file:
        return list(_rows(csv.DictReader(file), columns, path))


def _rows(rows: "csv.DictReader[str]", columns: Sequence[str], path: Path) -> Iterator[tuple[Clip, tuple[str, ...]]]:
    if not rows.fieldnames:
        raise InvalidRequestError(f"{path} is empty: its first line must be {','.join(COLUMNS)}", field="manifest")
    if missing := [name for name in dict.fromkeys((*COLUMNS, *columns)) if name not in rows.fieldnames]:
        there = ", ".join(rows.fieldnames)
        raise InvalidRequestError(f"{path}: no column {', '.join(missing)}; has {there}", field="manifest")
    for row in rows:
        yield _clip(row, f"{path}:{rows.line_num}"), tuple(row[name] or "" for name in columns)


def noises_for(clips: Iterable[Clip], split: str, *, corpus: str = NOISE) -> list[Clip]:
    """What talkers of a split are heard in. Those of dev share the noises of train: the corpus has none for them, and
    those of the test must tune nothing.
    """
    noise_split = TEST if split == TEST else TRAIN
    return [clip for clip in clips if (clip.corpus, clip.split) == (corpus, noise_split)]


def noises_at(root: Path, split: str) -> list[Clip]:
    """`noises_for` of a folder of speech; none where it has no manifest, as a copy of LibriSpeech has not."""
    manifest = root / "manifest.csv"
    return noises_for(read_manifest(manifest), split) if manifest.exists() else []


@contextmanager
def opened(path: Path, field: str) -> Iterator[TextIO]:
    """A UTF-8 file to read, its ends of lines as they are, without the byte order mark that some programs put in front.

    Raises OSError, and InvalidRequestError where what is read turns out to be of another encoding.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            yield file
    except UnicodeDecodeError as error:
        raise not_utf8(path, field) from error


def text_of(path: Path, field: str) -> str:
    """The whole of a UTF-8 file, without the byte order mark that some programs put in front.

    Raises OSError, and InvalidRequestError for a file in another encoding.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise not_utf8(path, field) from error


def not_utf8(path: Path, field: str) -> InvalidRequestError:
    """What to say of a table in another encoding."""
    return InvalidRequestError(f"{path} is not UTF-8: save it as UTF-8, or convert it (iconv -t UTF-8)", field=field)


def _clip(row: dict[str, str | None], where: str) -> Clip:
    text = {name: row[name] or "" for name in COLUMNS}
    for name in ("path", "corpus", "split", "speaker"):
        if not text[name]:
            raise InvalidRequestError(f"{where}: {name} is empty", field="manifest")
    rate_hz = _number(text.pop("sample_rate_hz"), f"{where}: sample_rate_hz")
    duration_s = _number(text.pop("duration_s"), f"{where}: duration_s")
    age = text.pop("age")
    return Clip(
        **text,
        sample_rate_hz=int(rate_hz),
        duration_s=duration_s,
        age=_number(age, f"{where}: age") if age else None,
    )


def _number(text: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise InvalidRequestError(f"{where} is {text!r}, not a number", field="manifest") from None
    if not 0 < number < float("inf"):
        raise InvalidRequestError(f"{where} is {text}, must be positive", field="manifest")
    return number
