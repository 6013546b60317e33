"""Recordings of a corpus read from disk; a broken one is told by its file, for there are thousands."""

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


def read_recording(path: Path) -> Waveform:
    """At its own rate. Raises InvalidRequestError naming the file when it is missing or cannot be read."""
    try:
        return load_waveform(path)
    except ServiceError as error:
        raise InvalidRequestError(f"{path}: {error}", field="root") from error
