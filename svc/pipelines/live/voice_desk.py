"""Voices of turns, taken off the streams' critical path and handed back to each stream in the order it asked for them.

Speech is cut out where it was heard, so what a voice is taken from does not depend on when. An idle or a slow machine
applies the same voices in the same order; only one that is behind takes fewer of a turn that is still going on.
"""

import contextvars
import threading
import time
from collections import deque
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from svc.backends.call_scope import current_call
from svc.errors import OverloadedError
from svc.pipelines.live.turn_voices import TurnListener, TurnPart, TurnSpeech

Parts: TypeAlias = tuple[TurnPart, ...]
# How often a stream that waits looks whether its caller still does.
CHECK_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceDeskConfig:
    """How much may wait. A turn that waits is 70 KB a second; of one that lasts, since its voice's frames begin."""

    # Of all streams; past it open turns are not listened to again before they end.
    max_waiting: int = 8
    # Of one stream; past it even the end of a turn waits for room, and the stream with it.
    max_of_stream: int = 8
    # For how long, and how long the end of a stream waits for all that is under way.
    patience_s: float = 10.0

    def __post_init__(self) -> None:
        if min(self.max_waiting, self.max_of_stream) < 1 or self.patience_s < 0:
            raise ValueError(f"need max_waiting >= 1, max_of_stream >= 1 and patience_s >= 0, got {self}")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class VoiceAnswer:
    """Who speaks in a turn; nobody for too little speech, or where there was no time for it."""

    turn_id: int
    is_last: bool  # the turn is over
    parts: tuple[TurnPart, ...] = ()
    behind: bool = False  # too busy


class VoiceDesk(Protocol):
    """One stream's side. Not thread-safe: one call at a time."""

    def ask(self, turn_id: int, speech: TurnSpeech | None, *, is_last: bool) -> bool:
        """Hands in what was heard of a turn; of one that is not over it may be passed over, unanswered: False then."""
        ...

    def answers(self, *, wait: bool) -> list[VoiceAnswer]:
        """Those that came since, in the order asked for; with `wait`, all. Raises what went wrong but for overload."""
        ...

    def close(self) -> None:
        """Forgets what still waits."""
        ...


class PromptDesk:
    """Takes each voice while its stream waits: for one stream alone, whose events are then the same every time."""

    def __init__(self, listener: TurnListener) -> None:
        self.listener = listener
        self._answers: list[VoiceAnswer] = []

    def ask(self, turn_id: int, speech: TurnSpeech | None, *, is_last: bool) -> bool:
        """As the protocol says; passes nothing over."""
        try:
            parts = self.listener.parts(speech) if speech else ()
        except OverloadedError:
            self._answers.append(VoiceAnswer(turn_id=turn_id, is_last=is_last, behind=True))
        else:
            self._answers.append(VoiceAnswer(turn_id=turn_id, is_last=is_last, parts=parts))
        return True

    def answers(self, *, wait: bool) -> list[VoiceAnswer]:
        answers, self._answers = self._answers, []
        return answers

    def close(self) -> None:
        self._answers.clear()


class VoiceTakers:
    """The threads, for all streams. Each stream comes to them through a desk of its own."""

    def __init__(self, listener: TurnListener, config: VoiceDeskConfig | None = None, *, threads: int = 1) -> None:
        self.listener = listener
        self.config = config or VoiceDeskConfig()
        self._pool = ThreadPoolExecutor(threads, "voices")
        self._num_unfinished = 0
        self._lock = threading.Lock()

    @property
    def is_behind(self) -> bool:
        return self._num_unfinished >= self.config.max_waiting

    def desk(self) -> "BackgroundDesk":
        """For a new stream."""
        return BackgroundDesk(self)

    def take(self, job: "_Job") -> "Future[Parts]":
        """For desks. Whether the caller still waits is asked as if its own thread did the work."""
        with self._lock:
            self._num_unfinished += 1
        future = self._pool.submit(contextvars.copy_context().run, job.parts, self.listener)
        future.add_done_callback(self._on_done)
        return future

    def close(self) -> None:
        """Stops after the voices under way."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _on_done(self, _: "Future[Parts]") -> None:
        with self._lock:
            self._num_unfinished -= 1


class BackgroundDesk:
    """A desk in front of the threads."""

    def __init__(self, takers: VoiceTakers) -> None:
        self.takers = takers
        self._jobs: deque[_Job] = deque()

    def ask(self, turn_id: int, speech: TurnSpeech | None, *, is_last: bool) -> bool:
        """As the protocol says. Waits when too much of this stream waits already, `patience_s` at most."""
        job = _Job(turn_id, speech, is_last=is_last)
        if not is_last and (self.takers.is_behind or self._is_full):
            return False
        if self._is_full:
            self._make_room()
        if speech and not self._is_full:
            job.future = self.takers.take(job)
        job.was_turned_away = speech is not None and job.future is None
        self._jobs.append(job)
        return True

    def answers(self, *, wait: bool) -> list[VoiceAnswer]:
        """As the protocol says. What is not there after `patience_s` is given up."""
        if wait:
            self._wait(self._unfinished())
        answers = []
        while self._jobs and (wait or self._jobs[0].is_done):
            answers.append(self._jobs.popleft().answer())
        return answers

    def close(self) -> None:
        for job in self._jobs:
            job.give_up()
        self._jobs.clear()

    @property
    def _is_full(self) -> bool:
        return len(self._unfinished()) >= self.takers.config.max_of_stream

    def _unfinished(self) -> "list[_Job]":
        return [job for job in self._jobs if not job.is_done]

    def _make_room(self) -> None:
        """By what was asked of a turn of which more was handed in since; else by waiting for the oldest."""
        unfinished = self._unfinished()
        for place, job in enumerate(unfinished):
            is_outdone = any(later.outdoes(job) for later in unfinished[place + 1 :])
            if is_outdone and job.give_up():
                self._jobs.remove(job)
                return
        self._wait(unfinished[:1])

    def _wait(self, jobs: "list[_Job]") -> None:
        """Until all are done, patience is at its end, or the caller gone: raises CallAbandonedError then."""
        until_s, scope = time.monotonic() + self.takers.config.patience_s, current_call.get()
        futures = [job.future for job in jobs if job.future]
        while futures and (left_s := until_s - time.monotonic()) > 0:
            if scope:
                scope.check()
            futures = list(wait(futures, timeout=min(CHECK_S, left_s)).not_done)


class _Job:
    """One voice asked for."""

    def __init__(self, turn_id: int, speech: TurnSpeech | None, *, is_last: bool) -> None:
        self.turn_id = turn_id
        self.is_last = is_last
        self.speech = speech
        self.future: Future[Parts] | None = None
        self.was_turned_away = False
        # Else it only looks for where the voice changes.
        self.brings_voice = speech is not None and speech.needs_voice

    def outdoes(self, earlier: "_Job") -> bool:
        """Whether nothing is lost with what was asked before."""
        return self.turn_id == earlier.turn_id and self.brings_voice

    @property
    def is_done(self) -> bool:
        return self.future is None or self.future.done()

    def parts(self, listener: TurnListener) -> Parts:
        """On a thread of the takers'."""
        speech, self.speech = self.speech, None
        if speech is None:
            raise CancelledError
        return listener.parts(speech)

    def give_up(self) -> bool:
        """Frees the speech unless it is being listened to; False when it is, or was."""
        cancelled = self.future is not None and self.future.cancel()
        if cancelled:
            self.speech = None
        return cancelled

    def answer(self) -> VoiceAnswer:
        """What came of it by now."""
        behind = self.was_turned_away or not self.is_done
        parts: Parts = ()
        self.give_up()
        try:
            parts = self.future.result() if self.future and self.is_done else ()
        except (OverloadedError, CancelledError):
            behind = True
        return VoiceAnswer(turn_id=self.turn_id, is_last=self.is_last, parts=parts, behind=behind)
