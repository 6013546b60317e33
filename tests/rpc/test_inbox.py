"""What a caller has sent and nobody has worked on: order, bounds, and how reading ends."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import pytest

from equivox.v1.transcription_pb2 import Flush, KeepAlive, TranscribeRequest
from svc.errors import StreamIdleError
from svc.rpc.inbox import MAX_WAITING_REQUESTS, Inbox

FLUSH, KEEP_ALIVE = TranscribeRequest(flush=Flush()), TranscribeRequest(keep_alive=KeepAlive())


def audio(number: int, num_bytes: int = 10) -> TranscribeRequest:
    return TranscribeRequest(audio=bytes([number]) * num_bytes)


class Caller:
    """Sends requests as fast as they are read."""

    def __init__(
        self, requests: Sequence[TranscribeRequest], *, then: Exception | None = None, hang: bool = False
    ) -> None:
        self.requests, self.then, self.hang = requests, then, hang
        self.num_read = 0

    async def __aiter__(self) -> AsyncIterator[TranscribeRequest]:
        for request in self.requests:
            self.num_read += 1
            yield request
            await asyncio.sleep(0)
        if self.then:
            raise self.then
        if self.hang:
            await asyncio.Event().wait()


async def settle() -> None:
    for _ in range(2 * MAX_WAITING_REQUESTS):
        await asyncio.sleep(0)


async def take(inbox: Inbox) -> list[TranscribeRequest]:
    return [received.request for received in await inbox.take()]


def opened(caller: Caller, *, idle_timeout_s: float = 5.0, max_waiting_bytes: int = 0) -> Inbox:
    inbox = Inbox(aiter(caller), idle_timeout_s=idle_timeout_s)
    inbox.max_waiting_bytes = max_waiting_bytes
    return inbox


async def test_audio_that_waits_is_taken_together_and_nothing_changes_places() -> None:
    requests = [audio(1), audio(2), FLUSH, audio(3), KEEP_ALIVE, audio(4)]
    async with opened(Caller(requests), max_waiting_bytes=1000) as inbox:
        await settle()
        taken = [await take(inbox) for _ in range(5)]
        assert taken == [requests[:2], [FLUSH], [audio(3)], [KEEP_ALIVE], [audio(4)]]
        assert await inbox.take() == []


async def test_each_request_says_when_it_came_not_when_it_was_taken() -> None:
    async with opened(Caller([audio(1), audio(2)]), max_waiting_bytes=1000) as inbox:
        began_s = time.monotonic()
        await settle()
        settled_s = time.monotonic()
        first, second = await inbox.take()
    assert began_s <= first.at_s <= second.at_s <= settled_s


@pytest.mark.parametrize(
    ("max_waiting_bytes", "request_of_each", "num_read"),
    [(0, audio(1), 1), (45, audio(1), 5), (10**9, audio(1, 1), MAX_WAITING_REQUESTS), (45, KEEP_ALIVE, 256)],
)
async def test_no_more_is_read_than_the_bound(
    max_waiting_bytes: int, request_of_each: TranscribeRequest, num_read: int
) -> None:
    caller = Caller([request_of_each] * 1000)
    async with opened(caller, max_waiting_bytes=max_waiting_bytes) as inbox:
        await settle()
        assert caller.num_read == num_read
        await inbox.take()
        await settle()
        assert num_read < caller.num_read <= 2 * num_read


async def test_what_came_before_a_failure_is_handed_out_first() -> None:
    async with opened(Caller([audio(1)], then=OSError("gone")), max_waiting_bytes=99) as inbox:
        await settle()
        assert await take(inbox) == [audio(1)]
        with pytest.raises(OSError, match="gone"):
            await inbox.take()


async def test_a_stop_hands_out_what_was_read_and_then_ends() -> None:
    async with opened(Caller([audio(1)] * 9, hang=True), max_waiting_bytes=45) as inbox:
        await settle()
        inbox.stop()
        assert inbox.cut_short
        assert await take(inbox) == [audio(1)] * 5
        assert await inbox.take() == []


async def test_a_stop_after_the_end_cuts_nothing_short() -> None:
    async with opened(Caller([audio(1)] * 9), max_waiting_bytes=1000) as inbox:
        await settle()
        inbox.stop()
        assert not inbox.cut_short
        assert await take(inbox) == [audio(1)] * 9


async def test_a_stop_wakes_who_waits() -> None:
    async with opened(Caller([], hang=True)) as inbox:
        taking = asyncio.create_task(inbox.take())
        await asyncio.sleep(0.01)
        inbox.stop()
        assert await asyncio.wait_for(taking, 1) == []


async def test_silence_is_an_error_that_says_what_to_send() -> None:
    async with opened(Caller([], hang=True), idle_timeout_s=0.02) as inbox:
        with pytest.raises(StreamIdleError, match="keep_alive"):
            await inbox.take()
