"""The artifact: what training hands to serving. A folder with `tensors.safetensors` and `card.toml`, which says what
the tensors are, which data and command made them, and the digest of the tensor file. A report of errors by group that
lies beside is named in the card by its digest; the artifact is the same one with and without.

Each file is written beside and renamed; the card last, so that a card never speaks of tensors that are not there yet.
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from svc.errors import ArtifactError
from svc.types import FloatArray
from svc.whole_file import replacing

TENSORS, CARD = "tensors.safetensors", "card.toml"
DIGEST_KEY = "tensors_sha256"
REPORT_KEY = "fairness_sha256"
# The report names the artifact by a digest of the card, which so cannot cover what the card says of the report.
REPORT_LINE = re.compile(rb'^fairness_sha256 = "[0-9a-f]*"\n', re.MULTILINE)
FIRST_TABLE = b"\n["


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ArtifactCard:
    """A card as read. `digest` names the artifact: 16 hex digits of the card's text, which holds the tensors' digest.

    It does not cover REPORT_KEY.
    """

    card: Mapping[str, Any]
    card_toml: str
    digest: str

    def check_kind(self, kind: str, path: Path) -> None:
        """Raises ArtifactError naming `path` when it is an artifact of another kind."""
        if (found := self.card.get("kind", "nameless thing")) != kind:
            raise ArtifactError(f"artifact {path} is {_with_article(str(found))}, not {_with_article(kind)}")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Artifact(ArtifactCard):
    """Card and tensors as read."""

    tensors: Mapping[str, FloatArray]


def card_of(kind: str, about: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """A card: the kind, what `about` tells, and what is needed to read the tensors.

    Raises ValueError when `about` has a key that is the card's own.
    """
    if clash := sorted({"kind", DIGEST_KEY, REPORT_KEY, *own} & about.keys()):
        raise ValueError(f"{clash[0]} is the card's own key")
    return {"kind": kind, **about, **own}


def save_artifact(
    folder: Path, tensors: Mapping[str, FloatArray], card: Mapping[str, Any], *, half: bool = False
) -> None:
    """`half` stores float16: half the bytes, three digits.

    Raises ValueError for a card TOML cannot hold, and for a tensor that float16 cannot.
    """
    plain = {name: _stored(name, tensor, np.float16 if half else np.float32) for name, tensor in tensors.items()}
    folder.mkdir(parents=True, exist_ok=True)
    content = save_tensors(plain)
    described = {**card, DIGEST_KEY: hashlib.sha256(content).hexdigest()}
    text = toml_text(described)
    _replace(folder / TENSORS, content)
    _replace(folder / CARD, text.encode())


def read_card(folder: Path) -> ArtifactCard:
    """The card without its tensors. Raises ArtifactError when it is missing or broken."""
    text = _read(folder / CARD)
    with _broken_told(folder):
        card = tomllib.loads(text.decode())
    digest = hashlib.sha256(_without_report(text)).hexdigest()[:16]
    return ArtifactCard(card=card, card_toml=text.decode(), digest=digest)


def load_artifact(folder: Path) -> Artifact:
    """Raises ArtifactError when a file is missing, broken, or the tensors are not those the card speaks of."""
    read, content = read_card(folder), _read(folder / TENSORS)
    with _broken_told(folder):
        tensors = load_tensors(content)
    if read.card.get(DIGEST_KEY) != hashlib.sha256(content).hexdigest():
        raise ArtifactError(f"artifact {folder}: {TENSORS} is not the file {CARD} was written for; restore both")
    plain = {name: tensor.astype(np.float32, copy=False) for name, tensor in tensors.items()}
    return Artifact(card=read.card, card_toml=read.card_toml, digest=read.digest, tensors=plain)


def amend_card(folder: Path, about: Mapping[str, Any]) -> None:
    """The card says this in place of what it said under these keys; the tensors stay. By its digest it is another one.

    Raises ArtifactError when there is no card, ValueError for what TOML cannot hold.
    """
    card = read_card(folder).card
    _replace(folder / CARD, toml_text({**card, **about}).encode())


def name_report(folder: Path, report: bytes) -> None:
    """The card of the artifact names this report, in place of any other. Raises ArtifactError when there is no card."""
    top, table, rest = _without_report(_read(folder / CARD)).partition(FIRST_TABLE)
    line = f'{REPORT_KEY} = "{hashlib.sha256(report).hexdigest()}"\n'
    _replace(folder / CARD, top + line.encode() + table + rest)


def named_report(folder: Path) -> str | None:
    """SHA-256 of the report that the card in the folder names; None where there is no card.

    Raises ArtifactError when the card is broken; empty when it names none.
    """
    if not (folder / CARD).exists():
        return None
    return str(read_card(folder).card.get(REPORT_KEY, ""))


def first_fault(error: Exception) -> str:
    """What torch says of weights that do not fit may be a line for each of hundreds: the first, and how many more."""
    heading, *faults = (str(error) or repr(error)).splitlines()
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"{faults[0].strip()}{more}" if faults else heading


def toml_text(table: Mapping[str, Any]) -> str:
    """Raises ValueError for what TOML cannot hold."""
    return "\n".join(_toml_lines(table, ())) + "\n"


def _with_article(noun: str) -> str:
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


def _without_report(card: bytes) -> bytes:
    top, table, rest = card.partition(FIRST_TABLE)
    return REPORT_LINE.sub(b"", top) + table + rest


@contextmanager
def _broken_told(folder: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, SafetensorError) as error:
        raise ArtifactError(f"artifact {folder} is broken: {error}; make it again or restore it") from error


def _stored(name: str, tensor: FloatArray, kind: type[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    limit = np.finfo(kind).max
    if (np.abs(tensor[np.isfinite(tensor)]) > limit).any():
        raise ValueError(f"tensor {name} has values past {limit}, the most {kind.__name__} can hold")
    return np.ascontiguousarray(tensor, dtype=kind)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"cannot read artifact file {path}: {error.strerror}") from error


def _replace(path: Path, content: bytes) -> None:
    with replacing(path) as beside:
        beside.write_bytes(content)


def _toml_lines(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    if path:
        yield f"\n[{'.'.join(map(_toml_key, path))}]"
    # Plain values first: after a [table] header they would belong to that table.
    for key, value in table.items():
        if not isinstance(value, Mapping):
            yield f"{_toml_key(key)} = {_toml_value(value)}"
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _toml_lines(value, (*path, key))


def _toml_value(value: object) -> str:
    match value:
        case str():
            return _quoted(value)
        case bool() | int():
            return json.dumps(value)
        case float():
            return repr(value)  # TOML's spelling, `inf` and `nan` included
        case list() | tuple():
            return f"[{', '.join(map(_toml_value, value))}]"
        case _:
            raise ValueError(f"an artifact card holds text, numbers, lists and tables, not {value!r}")


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _quoted(key)


def _quoted(text: str) -> str:
    """A JSON string is a TOML string, but for the one control character JSON leaves bare."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
