"""Recordings of a corpus read from disk; a broken one is told by its file, for there are thousands."""

from pathlib import Path

from svc.audio.decode import load_waveform
from svc.errors import InvalidRequestError, ServiceError
from svc.types import Waveform


def read_recording(path: Path) -> Waveform:
    """At its own rate. Raises InvalidRequestError naming the file when it is missing or cannot be read."""
    try:
        return load_waveform(path)
    except (ServiceError, OSError) as error:
        raise InvalidRequestError(f"{path}: {error}", field="root") from error
