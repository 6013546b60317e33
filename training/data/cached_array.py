"""Arrays that are slow to make, kept in a folder by a digest of what they were made from, and shared by processes."""

import fcntl
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from svc.whole_file import replacing


def cached_array(folder: Path, name: str, made_from: object, make: Callable[[], npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """The array kept for `made_from` (JSON values), as a read-only memory map; made when it is not there.

    All processes that open it share one copy in memory; of several that want it at once one makes it, the others wait.
    Raises OSError, before anything is made, where nothing can be kept.
    """
    digest = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:16]
    path = folder / f"{name}-{digest}.npy"
    if not path.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OSError(f"nothing can be kept in {folder} ({error.strerror}): give another --cache") from error
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                with replacing(path) as beside, beside.open("wb") as file:
                    np.save(file, make())
    array: npt.NDArray[Any] = np.load(path, mmap_mode="r")
    return array
