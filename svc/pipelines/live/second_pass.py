"""Closed turns recognised again with an open vocabulary, off the streams' critical path: one thread for all streams.

Whatever does not fit the queue is dropped, and the stream told so: a second pass must never slow down the first.
"""

import logging
import queue
import threading
from collections import deque
from dataclasses import dataclass

from svc.backends.protocols import OpenVocabularyRecogniser
from svc.types import FloatArray, RecognisedWord

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ClosedTurn:
    """What is to be recognised again: (N,) at 16 kHz, the first sample at `start_s` of the stream."""

    turn_id: int
    channel: int
    start_s: float
    samples: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class SecondHearing:
    """A turn and its words, times within it; None when it could not be recognised."""

    turn: ClosedTurn
    words: tuple[RecognisedWord, ...] | None


class SecondPass:
    """The worker. Streams come to it through a `SecondPassDesk` each."""

    def __init__(self, recogniser: OpenVocabularyRecogniser, *, max_queued: int = 32) -> None:
        self.recogniser = recogniser
        self._queue: queue.Queue[tuple[SecondPassDesk, ClosedTurn] | None] = queue.Queue(max_queued)
        self._closing = threading.Event()
        self._worker = threading.Thread(target=self._work, name="second-pass", daemon=True)
        self._worker.start()

    def offer(self, desk: "SecondPassDesk", turn: ClosedTurn) -> bool:
        """False when it is too busy."""
        try:
            self._queue.put_nowait((desk, turn))
        except queue.Full:
            return False
        return True

    def close(self) -> None:
        """Stops after the turn under way; what still waits is given back as not recognised."""
        self._closing.set()
        self._queue.put(None)
        self._worker.join()

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            desk, turn = job
            desk.deliver(SecondHearing(turn, None if self._closing.is_set() or desk.closed else self._words(turn)))

    def _words(self, turn: ClosedTurn) -> tuple[RecognisedWord, ...] | None:
        try:
            return tuple(self.recogniser.transcribe(turn.samples))
        except Exception:  # one bad turn must not end the second pass of all streams
            LOG.exception("second pass failed on a turn of %.2f s", len(turn.samples) / 16_000)
            return None


class SecondPassDesk:
    """One stream's side: turns handed in, hearings collected."""

    def __init__(self, second_pass: SecondPass, *, patience_s: float) -> None:
        self.patience_s = patience_s
        self.closed = False
        self._second_pass = second_pass
        self._num_open = 0
        self._done: deque[SecondHearing] = deque()
        self._delivered = threading.Condition()

    def hand_in(self, turn: ClosedTurn) -> bool:
        """False when it was dropped."""
        with self._delivered:
            self._num_open += 1
        taken = self._second_pass.offer(self, turn)
        if not taken:
            with self._delivered:
                self._num_open -= 1
        return taken

    def deliver(self, hearing: SecondHearing) -> None:
        """Called by the worker."""
        with self._delivered:
            self._num_open -= 1
            if not self.closed:
                self._done.append(hearing)
            self._delivered.notify_all()

    def collect(self, *, wait: bool) -> tuple[list[SecondHearing], int]:
        """What is done by now, and how many are not. With `wait`, not before all are or `patience_s` is over."""
        with self._delivered:
            if wait:
                self._delivered.wait_for(lambda: self._num_open == 0, timeout=self.patience_s)
            hearings = list(self._done)
            self._done.clear()
            return hearings, self._num_open

    def close(self) -> None:
        """Nobody will collect any more."""
        with self._delivered:
            self.closed = True
            self._done.clear()
