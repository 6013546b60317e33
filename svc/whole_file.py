"""Files that are there whole or not at all: written beside, then renamed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to, in the same folder. Once on the disk it takes the place of `path`; on an error it goes."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    # In a container the process after one that was killed may have its number.
    beside.unlink(missing_ok=True)
    try:
        yield beside
        with beside.open("rb") as written:
            os.fsync(written.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
