"""Shares the embedder among callers: clips of calls that arrive together run in one batch, on one worker per core.

No timer holds a clip back. An idle worker starts at once with its share of what is queued; while all are busy the queue
grows, and the next free worker takes a batch. So batches grow with load and a lone call pays nothing for them.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from svc.backends.call_scope import CallScope, current_call
from svc.backends.protocols import Embedder
from svc.errors import CallAbandonedError, DeadlinePassedError, OverloadedError
from svc.types import MODEL_RATE_HZ, FloatArray

# Clips share a batch only when padding the shorter one wastes less than this.
MAX_LENGTH_RATIO = 1.15
# Weight of the newest measurement in the running mean of seconds per clip.
SMOOTHING = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReport:
    """One batch that ran, for telemetry."""

    num_clips: int
    audio_s: float
    elapsed_s: float
    num_queued: int


class _Call:
    """One `embed` under way: its clips wait in the queue a few at a time, its thread waits for `done`."""

    def __init__(self, clips: Sequence[FloatArray], dimension: int, scope: CallScope | None) -> None:
        self.clips = clips
        self.scope = scope
        self.embeddings = np.empty((len(clips), dimension), np.float32)
        self.num_queued = 0  # clips that went to the queue so far
        self.num_missing = len(clips)
        self.error: BaseException | None = None
        self.done = threading.Event()

    def fail(self, error: BaseException) -> None:
        self.error = self.error or error
        self.done.set()

    def finish(self, index: int, embedding: FloatArray) -> None:
        self.embeddings[index] = embedding
        self.num_missing -= 1
        if not self.num_missing:
            self.done.set()

    def still_wanted(self) -> bool:
        """False once it failed or its caller left; the caller's thread is told."""
        if self.error is None and self.scope is not None:
            try:
                self.scope.check()
            except CallAbandonedError as error:
                self.fail(error)
        return self.error is None


@dataclass(frozen=True, slots=True, eq=False)
class _Ticket:
    """One clip of a call, in the queue."""

    call: _Call
    index: int

    @property
    def clip(self) -> FloatArray:
        return self.call.clips[self.index]


class BatchingEmbedder:
    """An Embedder in front of another, which must run each call on one thread: parallelism is `workers` calls at once.

    A call of many clips (a long recording) keeps at most `workers * max_batch` of them queued, so that others get in
    between. Raises OverloadedError when the queue is full, CallAbandonedError when the caller is gone.
    """

    def __init__(
        self,
        embedder: Embedder,
        *,
        workers: int,
        max_batch: int,
        max_queued_clips: int,
        on_batch: Callable[[BatchReport], None] | None = None,
    ) -> None:
        if min(workers, max_batch, max_queued_clips) < 1:
            raise ValueError(
                f"need workers, max_batch, max_queued_clips >= 1: {workers}, {max_batch}, {max_queued_clips}"
            )
        self.embedder = embedder
        self.max_batch = max_batch
        self.max_queued_clips = max_queued_clips
        self.on_batch = on_batch
        self._queue: deque[_Ticket] = deque()
        self._changed = threading.Condition()
        self._num_idle = 0
        self._closed = False
        self._clip_s = 0.05  # running mean of one worker's seconds per clip; the start is a guess
        self._workers = [
            threading.Thread(target=self._work, name=f"embedder-{number}", daemon=True) for number in range(workers)
        ]
        for worker in self._workers:
            worker.start()

    @property
    def fingerprint(self) -> str:
        return self.embedder.fingerprint

    @property
    def dimension(self) -> int:
        return self.embedder.dimension

    @property
    def runtime(self) -> str:
        return self.embedder.runtime

    @property
    def num_queued(self) -> int:
        """Clips waiting for a worker."""
        return len(self._queue)

    def embed(self, clips: Sequence[FloatArray]) -> FloatArray:
        """B clips (N_b,) at 16 kHz -> (B, D). Blocks; call it off the event loop."""
        call = _Call(clips, self.dimension, current_call.get())
        if not clips:
            return call.embeddings
        if call.still_wanted():
            self._admit(call)
            self._await(call)
        if call.error is not None:
            raise call.error
        return call.embeddings

    def close(self) -> None:
        """Stops the workers; whatever still waits fails."""
        with self._changed:
            self._closed = True
            for ticket in self._queue:
                ticket.call.fail(CallAbandonedError("the server is shutting down"))
            self._queue.clear()
            self._changed.notify_all()
        for worker in self._workers:
            worker.join()

    def _admit(self, call: _Call) -> None:
        num_first = min(len(call.clips), len(self._workers) * self.max_batch)
        with self._changed:
            if self._closed:
                raise CallAbandonedError("the server is shutting down")
            # An empty queue admits any call: a limit below one call's share must not refuse for ever.
            if self._queue and len(self._queue) + num_first > self.max_queued_clips:
                self._drop_abandoned()
            if self._queue and len(self._queue) + num_first > self.max_queued_clips:
                raise self._overloaded()
            for _ in range(num_first):
                self._enqueue_next(call)
            self._changed.notify(num_first)

    def _await(self, call: _Call) -> None:
        if not call.done.wait(call.scope.remaining_s if call.scope else None):
            # The deadline passed while waiting: tell the workers, who find the error set and skip the clips.
            call.fail(DeadlinePassedError("the deadline passed while the clip was waiting for a worker"))

    def _enqueue_next(self, call: _Call) -> None:
        if call.num_queued < len(call.clips):
            self._queue.append(_Ticket(call, call.num_queued))
            call.num_queued += 1

    def _drop_abandoned(self) -> None:
        self._queue = deque(ticket for ticket in self._queue if ticket.call.still_wanted())

    def _overloaded(self) -> OverloadedError:
        wait_s = len(self._queue) * self._clip_s / len(self._workers)
        return OverloadedError(
            f"{len(self._queue)} clips already wait for the embedder, the limit is {self.max_queued_clips}; "
            f"retry in {wait_s:.1f} s",
            retry_after_s=max(0.1, wait_s),
        )

    def _work(self) -> None:
        while batch := self._take():
            started_s = time.monotonic()
            self._run(batch)
            self._report(batch, time.monotonic() - started_s)

    def _take(self) -> list[_Ticket]:
        """Waits for clips and takes this worker's share; empty when closed."""
        with self._changed:
            self._num_idle += 1
            try:
                while not self._closed:
                    if batch := self._next_batch():
                        return batch
                    self._changed.wait()
                return []
            finally:
                self._num_idle -= 1

    def _next_batch(self) -> list[_Ticket]:
        """The oldest clip and those of about its length, leaving idle colleagues their share.

        Empty only when the queue is: a worker that waits beside a queue is woken by nobody.
        """
        first = self._oldest_wanted()
        if first is None:
            return []
        share = min(self.max_batch, math.ceil((1 + len(self._queue)) / self._num_idle))
        batch = [first]
        rest: deque[_Ticket] = deque()
        length = len(first.clip)
        while self._queue and len(batch) < share:
            ticket = self._queue.popleft()
            if not ticket.call.still_wanted():
                continue
            alike = max(length, len(ticket.clip)) <= MAX_LENGTH_RATIO * min(length, len(ticket.clip))
            (batch if alike else rest).append(ticket)
        self._queue.extendleft(reversed(rest))
        return batch

    def _oldest_wanted(self) -> _Ticket | None:
        while self._queue:
            ticket = self._queue.popleft()
            if ticket.call.still_wanted():
                return ticket
        return None

    def _run(self, batch: list[_Ticket]) -> None:
        try:
            embeddings = self.embedder.embed([ticket.clip for ticket in batch])  # (B, D)
            finished = list(zip(batch, embeddings, strict=True))
        except Exception as error:
            if len(batch) == 1:
                batch[0].call.fail(error)
                return
            # One bad clip must not fail the calls it happened to share a batch with.
            for ticket in batch:
                self._run([ticket])
            return
        with self._changed:
            for ticket, embedding in finished:
                ticket.call.finish(ticket.index, embedding)
                self._enqueue_next(ticket.call)
            self._changed.notify(len(batch))

    def _report(self, batch: list[_Ticket], elapsed_s: float) -> None:
        self._clip_s += SMOOTHING * (elapsed_s / len(batch) - self._clip_s)
        if self.on_batch:
            audio_s = sum(len(ticket.clip) for ticket in batch) / MODEL_RATE_HZ
            report = BatchReport(
                num_clips=len(batch), audio_s=audio_s, elapsed_s=elapsed_s, num_queued=len(self._queue)
            )
            self.on_batch(report)
