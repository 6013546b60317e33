"""Live streams share the model: together = alone, one failure is one stream's, nothing outlives its stream."""

import gc
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import numpy as np
import pytest

from svc.backends.call_scope import CallScope, current_call
from svc.backends.live_session import LiveSession
from svc.backends.protocols import RecognisedChunk
from svc.backends.stream_batching import StepReport, StreamBatcher
from svc.backends.stream_scheduler import StreamBatchingConfig
from svc.errors import CallAbandonedError, OverloadedError
from svc.types import FloatArray
from tests.backends.mark_recogniser import Heard, MarkRecogniser
from tests.backends.toy_recogniser import toy_mels, toy_recogniser

Batcher = StreamBatcher[Heard]


@pytest.fixture
def inner() -> MarkRecogniser:
    return MarkRecogniser()


@pytest.fixture
def reports() -> list[StepReport]:
    return []


@pytest.fixture
def batcher(inner: MarkRecogniser, reports: list[StepReport]) -> Iterator[Batcher]:
    config = StreamBatchingConfig(max_streams=5, max_chunk_frames=3, max_queued_frames=8)
    batching = StreamBatcher(inner, config, on_step=reports.append)
    yield batching
    inner.gate.set()
    batching.close()


def frames(*marks: float) -> FloatArray:
    """One 40 ms frame a mark."""
    return np.repeat(np.array(marks, np.float32), 4)[:, None]


def marks_of(chunk: RecognisedChunk) -> list[float]:
    return list(map(float, chunk.activity[0]))


def hold(inner: MarkRecogniser, session: LiveSession[Heard]) -> Callable[[], None]:
    """Busies the thread with a step of its own; what is submitted meanwhile waits until the returned call."""
    inner.gate.clear()
    session.submit(frames(0))
    assert inner.entered.acquire(timeout=10)
    return inner.gate.set


def test_what_waits_goes_through_in_one_step(inner: MarkRecogniser, batcher: Batcher) -> None:
    sessions = [batcher.open() for _ in range(3)]
    release = hold(inner, batcher.open())
    futures = [session.submit(frames(number, 10 + number)) for number, session in enumerate(sessions)]
    release()
    assert [marks_of(future.result(10)) for future in futures] == [[0, 10], [1, 11], [2, 12]]
    assert inner.steps[1:] == [(3, 2)]


def test_streams_that_have_more_do_not_part_from_those_that_have_less(inner: MarkRecogniser, batcher: Batcher) -> None:
    sessions = [batcher.open() for _ in range(3)]
    release = hold(inner, batcher.open())
    futures = [session.submit(frames(*range(1, 2 + number))) for number, session in enumerate(sessions)]
    release()
    assert [marks_of(future.result(10)) for future in futures] == [[1], [1, 2], [1, 2, 3]]
    assert [num_streams for num_streams, _ in inner.steps[1:]] == [3]


def test_pieces_of_one_stream_are_joined_and_long_ones_cut(inner: MarkRecogniser, batcher: Batcher) -> None:
    session = batcher.open()
    release = hold(inner, batcher.open())
    futures = [session.submit(frames(*marks)) for marks in ((1,), (2, 3, 4, 5), (6,))]
    release()
    chunks = [future.result(10) for future in futures]
    assert [marks_of(chunk) for chunk in chunks] == [[1], [2, 3, 4, 5], [6]]
    assert [chunk.first_frame for chunk in chunks] == [0, 1, 5]
    assert inner.steps[1:] == [(1, 3), (1, 3)]


def test_finish_comes_after_all_that_was_submitted(batcher: Batcher) -> None:
    session = batcher.open()
    session.submit(frames(1, 2, 3, 4))
    last = session.finish()
    assert (last.first_frame, marks_of(last)) == (4, [0])
    assert not batcher._scheduler._open
    with pytest.raises(CallAbandonedError, match="closed"):
        session.recognise(frames(1))


def test_a_failing_stream_fails_alone(inner: MarkRecogniser, batcher: Batcher) -> None:
    good, bad = batcher.open(), batcher.open()
    release = hold(inner, batcher.open())
    right, wrong, later = good.submit(frames(1)), bad.submit(frames(-1)), bad.submit(frames(2))
    release()
    assert marks_of(right.result(10)) == [1]
    for future in (wrong, later):
        with pytest.raises(ArithmeticError, match="below zero"):
            future.result(10)
    with pytest.raises(ArithmeticError):
        bad.recognise(frames(3))
    assert marks_of(good.recognise(frames(4))) == [4]


def test_closing_frees_the_state_and_fails_what_waits(inner: MarkRecogniser, batcher: Batcher) -> None:
    session, other = batcher.open(), batcher.open()
    session.recognise(frames(1))
    assert inner.entered.acquire(timeout=10)
    release = hold(inner, other)
    future = session.submit(frames(2))
    session.close()
    session.close()
    gc.collect()
    assert inner.opened[0]() is None
    with pytest.raises(CallAbandonedError):
        future.result(0)
    release()


def test_a_stream_closed_during_its_own_step_is_freed_after_it(inner: MarkRecogniser, batcher: Batcher) -> None:
    session, other = batcher.open(), batcher.open()
    release = hold(inner, session)
    session.close()
    release()
    other.recognise(frames(1))
    gc.collect()
    assert inner.opened[0]() is None


def test_a_stream_may_not_queue_without_end(inner: MarkRecogniser, batcher: Batcher) -> None:
    session, other = batcher.open(), batcher.open()
    release = hold(inner, batcher.open())
    session.submit(frames(1, 2, 3, 4, 5, 6))
    with pytest.raises(OverloadedError, match="6 frames of this stream wait") as raised:
        session.submit(frames(7, 8, 9))
    assert raised.value.retry_after_s == pytest.approx(0.24)
    other.submit(frames(1, 2, 3))
    assert sum(queue.num_frames for queue in batcher._scheduler._open) == 1 + 6 + 3
    release()


def test_more_streams_than_the_limit_are_refused_until_one_ends(batcher: Batcher) -> None:
    sessions = [batcher.open() for _ in range(5)]
    with pytest.raises(OverloadedError, match="5 streams are open"):
        batcher.open()
    sessions[0].close()
    batcher.open()


def test_a_caller_whose_deadline_passed_does_not_wait(inner: MarkRecogniser, batcher: Batcher) -> None:
    session = batcher.open()
    release = hold(inner, batcher.open())
    context = copy_context()
    context.run(current_call.set, CallScope.lasting(0.02))
    with pytest.raises(CallAbandonedError, match="deadline"):
        context.run(session.recognise, frames(1))
    release()


def test_closing_the_batcher_fails_who_waits_and_who_comes(inner: MarkRecogniser, batcher: Batcher) -> None:
    session = batcher.open()
    release = hold(inner, batcher.open())
    future = session.submit(frames(1))
    timer = threading.Timer(0.05, release)
    timer.start()
    batcher.close()
    timer.join()
    with pytest.raises(CallAbandonedError, match="shutting down"):
        future.result(0)
    with pytest.raises(CallAbandonedError):
        batcher.open()


def test_a_step_is_reported(batcher: Batcher, reports: list[StepReport]) -> None:
    batcher.open().recognise(frames(1, 2))
    deadline_s = time.monotonic() + 5
    while not reports and time.monotonic() < deadline_s:
        time.sleep(0.001)
    (report,) = reports
    assert (report.num_streams, report.num_frames, report.num_waiting) == (1, 2, 0)
    assert 0 <= report.waited_s < 5
    assert 0 <= report.elapsed_s < 5


@pytest.mark.parametrize("num_mels", [0, 3, 6])
def test_broken_pieces_are_refused(batcher: Batcher, num_mels: int) -> None:
    with pytest.raises(ValueError, match="multiple of 4"):
        batcher.open().submit(np.zeros((num_mels, 1), np.float32))


@pytest.mark.parametrize("beam", [1, 3])
def test_many_streams_at_once_get_what_each_gets_alone(beam: int) -> None:
    batching = StreamBatcher(toy_recogniser(beam), StreamBatchingConfig())

    def listen(number: int) -> list[RecognisedChunk]:
        session = batching.open()
        mels = toy_mels(4 * 10 * (1 + number % 5), number)
        return [*(session.recognise(piece) for piece in np.split(mels, 10)), session.finish()]

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(listen, range(8)))
    alone = [listen(number) for number in range(8)]
    batching.close()
    for ours, theirs in zip(together, alone, strict=True):
        assert [tokens(one) for one in ours] == [tokens(one) for one in theirs]
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one.activity, other.activity, atol=1e-4)


def tokens(chunk: RecognisedChunk) -> list[tuple[int, int]]:
    return [(emission.token_id, emission.frame) for channel in chunk.emissions for emission in channel]
