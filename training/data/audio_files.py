"""Recordings of a corpus read from disk; a broken one is told by its file, for there are thousands."""

from collections.abc import Iterable
from pathlib import Path

from svc.audio.decode import decode_container
from svc.config import AudioConfig
from svc.errors import AudioMissingError, InvalidRequestError, ServiceError
from svc.types import Waveform


def load_waveform(path: Path) -> Waveform:
    """A file of one channel, at its own rate. Raises AudioMissingError when it cannot be read, and as decoding does."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AudioMissingError(f"cannot read {path}: {error.strerror or error}", field=str(path)) from error
    return decode_container(data, limits=AudioConfig())


def file_ages(paths: Iterable[str], root: Path) -> list[list[str]]:
    """Each path with the size and age of its file, in order of path: what is kept of files is kept by these, so that
    others of the same name are read anew. Raises InvalidRequestError, and says how many, when files are missing.
    """
    files = {path: root / path for path in sorted({*paths})}
    if missing := [file for file in files.values() if not file.is_file()]:
        lacking = f"{len(missing)} of {len(files)} recordings are not there, such as {missing[0]}"
        raise InvalidRequestError(f"{lacking}: give --root, or set EQUIVOX_DATA", field="root")
    stats = {path: file.stat() for path, file in files.items()}
    return [[path, f"{stat.st_size}:{stat.st_mtime_ns}"] for path, stat in stats.items()]


def read_recording(path: Path) -> Waveform:
    """At its own rate. Raises InvalidRequestError naming the file when it is missing or cannot be read."""
    try:
        return load_waveform(path)
    except ServiceError as error:
        raise InvalidRequestError(f"{path}: {error}", field="root") from error
