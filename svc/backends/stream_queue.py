"""What one live stream has waiting: the frames of its calls joined and cut into steps, and answers handed back."""

import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic

import numpy as np

from svc.backends.chunk_pieces import MELS_PER_FRAME, cut_chunk, join_chunks
from svc.backends.protocols import RecognisedChunk, StreamState
from svc.types import FloatArray


@dataclass(slots=True, eq=False)
class Piece:
    """One call's frames, (4k, M); none stand for the end of the stream."""

    mels: FloatArray
    future: "Future[RecognisedChunk]" = field(default_factory=Future)
    submitted_s: float = field(default_factory=time.monotonic)
    num_taken: int = 0  # frames of 40 ms
    parts: list[RecognisedChunk] = field(default_factory=list)

    def __post_init__(self) -> None:
        # Who no longer wants an answer closes the session: a future cancelled by itself would be no end of a stream.
        self.future.set_running_or_notify_cancel()

    @property
    def num_left(self) -> int:
        return len(self.mels) // MELS_PER_FRAME - self.num_taken


@dataclass(slots=True, eq=False)
class StreamQueue(Generic[StreamState]):
    """A stream's state and pieces. Touched under the scheduler's lock alone; `state` may be read without."""

    state: StreamState | None
    pieces: deque[Piece] = field(default_factory=deque)
    error: Exception | None = None  # why it was dropped

    @property
    def num_frames(self) -> int:
        return sum(piece.num_left for piece in self.pieces)

    @property
    def is_ending(self) -> bool:
        """Nothing but the end of the stream is left."""
        return bool(self.pieces) and not self.num_frames

    def peek(self, num_frames: int) -> FloatArray:
        """The next (4 num_frames, M), which may be of several pieces."""
        parts, missing = [], num_frames * MELS_PER_FRAME
        for piece in self.pieces:
            done = piece.num_taken * MELS_PER_FRAME
            parts.append(piece.mels[done : done + missing])
            missing -= len(parts[-1])
            if not missing:
                break
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def deliver(self, chunk: RecognisedChunk) -> None:
        """Hands an answer to the pieces it is for."""
        start, num_frames = 0, chunk.activity.shape[1]
        while start < num_frames:
            piece = self.pieces[0]
            # The end of a stream has no frames of its own and takes all there are.
            stop = min(num_frames, start + (piece.num_left or num_frames))
            piece.parts.append(cut_chunk(chunk, start, stop))
            piece.num_taken += stop - start
            if piece.num_left <= 0:
                self.pieces.popleft().future.set_result(join_chunks(piece.parts))
            start = stop

    def drop(self, error: Exception) -> None:
        """Frees the state, and fails what waits; the first error stays."""
        self.state = None
        self.error = self.error or error
        while self.pieces:
            self.pieces.popleft().future.set_exception(error)
