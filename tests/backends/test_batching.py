"""The embedder is shared fairly: batches grow with load, nothing is computed for a caller that left."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svc.backends.batching import BatchingEmbedder, BatchReport
from svc.backends.call_scope import CallScope, current_call
from svc.errors import CallAbandonedError, DeadlinePassedError, OverloadedError
from svc.types import FloatArray

T = TypeVar("T")


class MarkEmbedder:
    """Embeds a clip as its first sample and its length; waits at `gate` so that a test decides when work ends."""

    fingerprint, dimension, runtime = "0" * 16, 2, "torch"

    def __init__(self) -> None:
        self.batches: list[list[float]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)

    def embed(self, clips: Sequence[FloatArray]) -> FloatArray:
        self.batches.append([float(clip[0]) for clip in clips])
        self.entered.release()
        assert self.gate.wait(10)
        if any(clip[0] < 0 for clip in clips):
            raise ArithmeticError("a clip below zero")
        return np.array([[clip[0], len(clip)] for clip in clips], np.float32)


@pytest.fixture
def inner() -> MarkEmbedder:
    return MarkEmbedder()


@pytest.fixture
def single(inner: MarkEmbedder) -> Iterator[BatchingEmbedder]:
    """One worker, batches of four, a queue of six."""
    batching = BatchingEmbedder(inner, workers=1, max_batch=4, max_queued_clips=6)
    yield batching
    inner.gate.set()
    batching.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as executor:
        yield executor


@pytest.fixture
def busy(inner: MarkEmbedder, single: BatchingEmbedder, pool: ThreadPoolExecutor) -> Future[FloatArray]:
    """A call that keeps the one worker until the gate opens."""
    inner.gate.clear()
    call = pool.submit(single.embed, [clip(0)])
    assert inner.entered.acquire(timeout=10)
    return call


def clip(mark: float, length: int = 100) -> FloatArray:
    return np.full(length, mark, np.float32)


def within(scope: CallScope, work: Callable[[], T]) -> T:
    def run() -> T:
        current_call.set(scope)
        return work()

    return copy_context().run(run)


def until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(1000):
        if condition():
            return
        pause.wait(0.005)
    pytest.fail("the condition never came true")


@settings(max_examples=20)
@given(
    st.lists(st.lists(st.integers(1, 400), max_size=30), min_size=1, max_size=8),
    st.integers(1, 3),
    st.integers(1, 5),
)
def test_every_caller_gets_its_own_embeddings_back(calls: list[list[int]], workers: int, max_batch: int) -> None:
    batching = BatchingEmbedder(MarkEmbedder(), workers=workers, max_batch=max_batch, max_queued_clips=10_000)
    with ThreadPoolExecutor(len(calls)) as pool:
        answers = list(pool.map(lambda call: batching.embed([clip(n / 7, n) for n in call]), calls))
    batching.close()
    for call, answer in zip(calls, answers, strict=True):
        expected = np.array([[n / 7, n] for n in call], np.float32).reshape(-1, 2)
        np.testing.assert_array_equal(answer, expected)


def test_clips_that_wait_share_a_batch(
    inner: MarkEmbedder, single: BatchingEmbedder, pool: ThreadPoolExecutor, busy: Future[FloatArray]
) -> None:
    calls = [busy] + [pool.submit(single.embed, [clip(mark)]) for mark in (1, 2, 3)]
    until(lambda: single.num_queued == 3)
    inner.gate.set()
    assert [call.result(10)[0, 1] for call in calls] == [100] * 4
    assert [sorted(batch) for batch in inner.batches] == [[0], [1, 2, 3]]


def test_a_lone_call_of_two_clips_uses_two_workers_at_once(inner: MarkEmbedder, pool: ThreadPoolExecutor) -> None:
    batching = BatchingEmbedder(inner, workers=2, max_batch=4, max_queued_clips=8)
    inner.gate.clear()
    call = pool.submit(batching.embed, [clip(1), clip(2)])
    assert inner.entered.acquire(timeout=10)
    assert inner.entered.acquire(timeout=10)
    inner.gate.set()
    assert call.result(10).shape == (2, 2)
    batching.close()


def test_clips_of_unlike_length_do_not_share_a_batch(
    inner: MarkEmbedder, single: BatchingEmbedder, pool: ThreadPoolExecutor, busy: Future[FloatArray]
) -> None:
    rest = pool.submit(single.embed, [clip(1, 100), clip(2, 1000), clip(3, 105), clip(4, 1001)])
    until(lambda: single.num_queued == 4)
    inner.gate.set()
    busy.result(10)
    np.testing.assert_array_equal(rest.result(10)[:, 0], [1, 2, 3, 4])
    assert inner.batches[1:] == [[1, 3], [2, 4]]


def test_a_cancelled_call_is_dropped_before_the_embedder_sees_its_clip(
    inner: MarkEmbedder, single: BatchingEmbedder, pool: ThreadPoolExecutor, busy: Future[FloatArray]
) -> None:
    scope = CallScope()
    queued = pool.submit(within, scope, lambda: single.embed([clip(1)]))
    until(lambda: single.num_queued == 1)
    scope.cancelled.set()
    inner.gate.set()
    with pytest.raises(CallAbandonedError):
        queued.result(10)
    busy.result(10)
    single.embed([clip(2)])
    assert inner.batches == [[0], [2]]


def test_a_call_past_its_deadline_is_never_embedded(inner: MarkEmbedder, single: BatchingEmbedder) -> None:
    with pytest.raises(DeadlinePassedError):
        within(CallScope(deadline_s=0.0), lambda: single.embed([clip(1)]))
    assert not inner.batches


def test_a_deadline_that_passes_in_the_queue_frees_the_caller_at_once(
    inner: MarkEmbedder, single: BatchingEmbedder, pool: ThreadPoolExecutor, busy: Future[FloatArray]
) -> None:
    scope = CallScope.lasting(0.05)
    with pytest.raises(DeadlinePassedError):
        within(scope, lambda: single.embed([clip(1)]))
    inner.gate.set()
    busy.result(10)
    single.embed([clip(2)])
    assert inner.batches == [[0], [2]]


@dataclass(frozen=True, slots=True, eq=False)
class LeavingScope(CallScope):
    """Of a caller who is there when asked for the first two times, and then gone."""

    answers: Iterator[bool] = field(default_factory=lambda: iter([True, True]))

    def check(self) -> None:
        if not next(self.answers, False):
            raise CallAbandonedError("gone")


def test_a_caller_who_leaves_while_a_batch_is_chosen_holds_nobody_up(
    inner: MarkEmbedder, single: BatchingEmbedder, pool: ThreadPoolExecutor, busy: Future[FloatArray]
) -> None:
    gone = pool.submit(within, LeavingScope(), lambda: single.embed([clip(1)]))
    until(lambda: single.num_queued == 1)
    waiting = pool.submit(single.embed, [clip(2, length=1000)])
    until(lambda: single.num_queued == 2)
    inner.gate.set()
    try:
        assert waiting.result(10)[0, 0] == 2
    finally:
        single.close()
    assert not wait([busy, gone], timeout=10).not_done


def test_a_full_queue_refuses_and_says_when_to_retry(
    inner: MarkEmbedder, single: BatchingEmbedder, pool: ThreadPoolExecutor, busy: Future[FloatArray]
) -> None:
    calls = [busy] + [pool.submit(single.embed, [clip(1), clip(2), clip(3)]) for _ in range(2)]
    until(lambda: single.num_queued == 6)
    with pytest.raises(OverloadedError) as refusal:
        single.embed([clip(4)])
    assert refusal.value.retry_after_s
    inner.gate.set()
    assert sum(len(call.result(10)) for call in calls) == 7


def test_callers_that_left_make_room_in_a_full_queue(
    inner: MarkEmbedder, single: BatchingEmbedder, pool: ThreadPoolExecutor, busy: Future[FloatArray]
) -> None:
    scope = CallScope()
    gone = [pool.submit(within, scope, lambda: single.embed([clip(1)] * 3)) for _ in range(2)]
    until(lambda: single.num_queued == 6)
    scope.cancelled.set()
    late = pool.submit(single.embed, [clip(5)])
    until(lambda: single.num_queued == 1)
    inner.gate.set()
    assert late.result(10)[0, 0] == 5
    assert all(isinstance(call.exception(10), CallAbandonedError) for call in gone)
    busy.result(10)


def test_a_long_call_leaves_room_for_others(
    inner: MarkEmbedder, single: BatchingEmbedder, pool: ThreadPoolExecutor
) -> None:
    inner.gate.clear()
    long = pool.submit(single.embed, [clip(1)] * 50)
    assert inner.entered.acquire(timeout=10)
    short = pool.submit(single.embed, [clip(2)])
    until(lambda: single.num_queued >= 1)
    inner.gate.set()
    assert len(long.result(10)) == 50
    assert len(short.result(10)) == 1
    place = next(number for number, batch in enumerate(inner.batches) if 2.0 in batch)
    assert place <= 2


def test_a_bad_clip_fails_only_its_own_call(
    inner: MarkEmbedder, single: BatchingEmbedder, pool: ThreadPoolExecutor, busy: Future[FloatArray]
) -> None:
    good, bad = pool.submit(single.embed, [clip(1)]), pool.submit(single.embed, [clip(-1)])
    until(lambda: single.num_queued == 2)
    inner.gate.set()
    assert good.result(10)[0, 0] == 1
    with pytest.raises(ArithmeticError):
        bad.result(10)
    busy.result(10)


def test_closing_fails_what_still_waits_and_refuses_what_comes(
    inner: MarkEmbedder, single: BatchingEmbedder, pool: ThreadPoolExecutor, busy: Future[FloatArray]
) -> None:
    waiting = pool.submit(single.embed, [clip(1)])
    until(lambda: single.num_queued == 1)
    closing = pool.submit(single.close)
    assert isinstance(waiting.exception(10), CallAbandonedError)
    inner.gate.set()
    closing.result(10)
    assert busy.result(10)[0, 0] == 0
    with pytest.raises(CallAbandonedError):
        single.embed([clip(2)])


def test_every_batch_is_reported_with_its_size_and_seconds() -> None:
    reports: list[BatchReport] = []
    batching = BatchingEmbedder(MarkEmbedder(), workers=1, max_batch=2, max_queued_clips=9, on_batch=reports.append)
    batching.embed([clip(1, 16_000)] * 5)
    batching.close()
    assert sum(report.num_clips for report in reports) == 5
    assert sum(report.audio_s for report in reports) == pytest.approx(5.0)
