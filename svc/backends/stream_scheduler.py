"""All open live streams under one lock: who is let in, how much each may keep waiting, and who goes into a step."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic

from svc.backends.protocols import RecognisedChunk, StreamState
from svc.backends.stream_queue import Piece, StreamQueue
from svc.errors import CallAbandonedError, OverloadedError
from svc.types import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamBatchingConfig:
    """Limits; frames are of 40 ms."""

    max_streams: int = 64
    # Longest piece of one stream in one step: more is cheaper per frame, and makes the others wait.
    max_chunk_frames: int = 6
    # Of one stream, waiting; past it OverloadedError.
    max_queued_frames: int = 500

    def __post_init__(self) -> None:
        if min(self.max_streams, self.max_chunk_frames, self.max_queued_frames) < 1:
            raise ValueError(f"need max_streams, max_chunk_frames and max_queued_frames >= 1: {self}")


@dataclass(frozen=True, slots=True, eq=False)
class StepShare(Generic[StreamState]):
    """One stream's part of a step."""

    queue: StreamQueue[StreamState]
    state: StreamState
    mels: FloatArray  # (4k, M); none at the end of the stream
    submitted_s: float


class StreamScheduler(Generic[StreamState]):
    """Safe to call from any thread. After `close` everything but `close` and `drop` raises CallAbandonedError."""

    def __init__(self, config: StreamBatchingConfig, *, frame_s: float) -> None:
        self.config = config
        self.frame_s = frame_s
        self._open: set[StreamQueue[StreamState]] = set()
        self._changed = threading.Condition()
        self._closed = False

    @property
    def num_waiting_streams(self) -> int:
        """Streams that have something left."""
        with self._changed:
            return sum(bool(queue.pieces) for queue in self._open)

    def admit(self, state: StreamState) -> StreamQueue[StreamState]:
        """A new stream's place. Raises OverloadedError when there are too many."""
        queue = StreamQueue(state)
        with self._changed:
            self._check_running()
            if len(self._open) >= self.config.max_streams:
                raise OverloadedError(
                    f"{len(self._open)} streams are open, the limit is {self.config.max_streams}; retry in 1 s",
                    retry_after_s=1.0,
                )
            self._open.add(queue)
        return queue

    def enqueue(self, queue: StreamQueue[StreamState], piece: Piece) -> "Future[RecognisedChunk]":
        """Raises OverloadedError when too much of the stream waits, and what it was dropped for."""
        with self._changed:
            self._check_running()
            if queue.error is not None:
                raise queue.error
            limit = self.config.max_queued_frames
            if queue.num_frames and queue.num_frames + piece.num_left > limit:
                raise OverloadedError(
                    f"{queue.num_frames} frames of this stream wait already, the limit is {limit}: "
                    "send no faster than answers come",
                    retry_after_s=queue.num_frames * self.frame_s,
                )
            queue.pieces.append(piece)
            self._changed.notify()
        return piece.future

    def drop(self, queue: StreamQueue[StreamState], error: Exception) -> None:
        """Frees a stream's state, and fails what waits. Of one that is not open any more, too."""
        with self._changed:
            self._open.discard(queue)
            queue.drop(error)

    def close(self) -> None:
        """Lets nobody in any more; whatever still waits fails, and who waits for a step is let go."""
        with self._changed:
            self._closed = True
            for queue in list(self._open):
                self.drop(queue, _shutting_down())
            self._changed.notify_all()

    def next_step(self) -> list[StepShare[StreamState]]:
        """Waits until a stream has something; empty when closed."""
        with self._changed:
            while not self._closed:
                if shares := self._next_shares():
                    return shares
                self._changed.wait()
            return []

    def deliver(self, shares: Sequence[StepShare[StreamState]], chunks: Sequence[RecognisedChunk]) -> None:
        """The answers of a step, but those of streams that were closed meanwhile."""
        with self._changed:
            for share, chunk in zip(shares, chunks, strict=True):
                if share.queue.state is not None:
                    share.queue.deliver(chunk)

    def _check_running(self) -> None:
        if self._closed:
            raise _shutting_down()

    def _next_shares(self) -> list[StepShare[StreamState]]:
        """All that every stream has, up to the limit, and the longest-waiting stream's end by itself."""
        ready = sorted((one for one in self._open if one.pieces), key=lambda one: one.pieces[0].submitted_s)
        if not ready:
            return []
        if ready[0].is_ending:
            return self._shares(ready[:1])
        return self._shares([one for one in ready if not one.is_ending])

    def _shares(self, queues: Sequence[StreamQueue[StreamState]]) -> list[StepShare[StreamState]]:
        most = self.config.max_chunk_frames
        return [
            StepShare(one, one.state, one.peek(min(one.num_frames, most)), one.pieces[0].submitted_s)
            for one in queues
            if one.state is not None
        ]


def _shutting_down() -> CallAbandonedError:
    return CallAbandonedError("the server is shutting down")
