"""How live streams end: by the caller who leaves, by a refusal, by a drain."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from itertools import islice

import grpc
import pytest

from equivox import (
    AsyncClient,
    Client,
    EquivoxError,
    FinalWord,
    PcmStream,
    StreamAccepted,
    TranscribeOptions,
)
from equivox.client import Sender
from equivox.stream_audio import to_source
from equivox.streaming import LiveCall
from tests.client.ramp import RAMP
from tests.client.toy_server import Recorder


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Holds gRPC's calls, which also end when nobody holds them."""
    calls: list[object] = []

    def open_and_hold(sender: Sender, call: LiveCall, timeout_s: float | None = None) -> object:
        calls.append(open_stream(sender, call, timeout_s))
        return calls[-1]

    open_stream = Sender.open_stream
    monkeypatch.setattr(Sender, "open_stream", open_and_hold)


def endless(ended: threading.Event | None = None) -> Iterator[bytes]:
    """A chunk every 2 ms."""
    try:
        while True:
            time.sleep(0.002)
            yield RAMP[:80].tobytes()
    finally:
        if ended:
            ended.set()


@pytest.mark.usefixtures("held")
def test_leaving_early_ends_the_call_and_the_iterator(client: Client, recorder: Recorder) -> None:
    ended = threading.Event()
    events = client.transcribe(PcmStream(chunks=endless(ended), sample_rate_hz=8_000))
    assert len(list(islice(events, 5))) == 5
    assert not ended.is_set()
    events.close()  # type: ignore[attr-defined]
    check_nothing_more_is_sent(recorder)
    assert ended.wait(10)


def test_a_call_that_ends_before_it_is_accepted_keeps_no_thread() -> None:
    call = LiveCall(to_source((RAMP, 8_000)), TranscribeOptions())
    sending = threading.Thread(target=list, args=(call.requests(),), daemon=True)
    sending.start()
    call.end()
    sending.join(10)
    assert not sending.is_alive()


def check_nothing_more_is_sent(recorder: Recorder) -> None:
    """By a stream that sent a chunk every 2 ms."""
    assert recorder.stream_is_over.wait(10)
    num_sent = len(recorder.requests)
    time.sleep(0.2)
    assert len(recorder.requests) == num_sent


def test_a_refusal_is_the_same_error_as_of_any_call(client: Client, recorder: Recorder) -> None:
    recorder.failures = [grpc.StatusCode.UNAVAILABLE]
    with pytest.raises(EquivoxError) as caught:
        client.transcribe_all((RAMP, 8_000))
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    assert len(recorder.requests) == 1  # never retried


def check_drained(error: EquivoxError) -> None:
    assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
    assert "said after 3.0 s" in error.message


async def test_a_transcript_that_a_drain_cuts_short_is_no_transcript(
    target: str, client: Client, recorder: Recorder
) -> None:
    recorder.drains_after = 3
    with pytest.raises(EquivoxError) as caught:
        client.transcribe_all((RAMP, 8_000))
    check_drained(caught.value)
    async with AsyncClient(target) as async_client:
        with pytest.raises(EquivoxError) as caught:
            await async_client.transcribe_all((RAMP, 8_000))
    check_drained(caught.value)


@pytest.mark.usefixtures("held")
async def test_leaving_an_async_stream_early_ends_its_iterator(target: str, recorder: Recorder) -> None:
    ended = threading.Event()

    async def talking() -> AsyncIterator[bytes]:
        try:
            while True:
                await asyncio.sleep(0.002)
                yield RAMP[:80].tobytes()
        finally:
            ended.set()

    async with AsyncClient(target) as client:
        events = client.transcribe(PcmStream(chunks=talking(), sample_rate_hz=8_000))
        assert [type(await anext(events)) for _ in range(4)][-1] is FinalWord
        assert not ended.is_set()
        await events.aclose()
        assert ended.is_set()
        await asyncio.to_thread(check_nothing_more_is_sent, recorder)


@pytest.mark.usefixtures("held")
async def test_leaving_an_async_stream_early_ends_the_call_whose_chunks_block(target: str, recorder: Recorder) -> None:
    async with AsyncClient(target) as client:
        events = client.transcribe(PcmStream(chunks=endless(), sample_rate_hz=8_000))
        assert isinstance(await anext(events), StreamAccepted)
        await events.aclose()
        await asyncio.to_thread(check_nothing_more_is_sent, recorder)


async def test_a_refusal_reaches_who_awaits(target: str, recorder: Recorder) -> None:
    recorder.failures = [grpc.StatusCode.RESOURCE_EXHAUSTED]
    async with AsyncClient(target) as client:
        with pytest.raises(EquivoxError, match="told to fail"):
            await client.transcribe_all((RAMP, 8_000))
