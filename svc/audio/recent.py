"""The last rows of a stream (samples, frames, masks) by their place in the stream, in memory that never grows."""

from typing import Any

import numpy as np
import numpy.typing as npt


class RecentRows:
    """Keeps the last `capacity` rows (..) of a stream; a row's index counts from the start of the stream."""

    def __init__(self, capacity: int, shape: tuple[int, ...] = (), dtype: npt.DTypeLike = np.float32) -> None:
        if capacity < 1:
            raise ValueError(f"need a capacity of at least 1 row, got {capacity}")
        self.capacity = capacity
        self._rows: npt.NDArray[Any] = np.zeros((capacity, *shape), dtype)
        self.end = 0

    @property
    def start(self) -> int:
        """The first row still held."""
        return max(0, self.end - self.capacity)

    def append(self, rows: npt.NDArray[Any]) -> None:
        """(n, ..) the next rows; the oldest make room."""
        places = np.arange(self.end, self.end + len(rows))[-self.capacity :]
        self._rows[places % self.capacity] = rows[len(rows) - len(places) :]
        self.end += len(rows)

    def read(self, start: int, end: int) -> npt.NDArray[Any]:
        """A copy of the rows start..end; fewer where some are not held any more or not yet there."""
        return self.take(np.arange(max(start, self.start), min(end, self.end)))

    def take(self, places: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """A copy of the rows at these places, all of which must be held."""
        if len(places) and not (self.start <= places.min() and places.max() < self.end):
            raise IndexError(f"rows {self.start} to {self.end} are held, asked for {places.min()} to {places.max()}")
        return self._rows[places % self.capacity]
