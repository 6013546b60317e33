"""The threads between an event loop and a stream, where the caller has left before they are done."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import cast

import pytest

from equivox import AsyncClient
from equivox.aio_streams import FromLoop, events_of, on_threads
from equivox.client import Sender
from equivox.stream_audio import PcmStream, to_source
from equivox.streaming import LiveCall, TranscribeOptions
from equivox.v1.transcription_pb2 import StreamAccepted, TranscribeResponse


class SlowToLeave:
    """A sender whose one stream says that it is accepted, and ends only when told, long after it was cancelled."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.reader: threading.Thread | None = None

    def open_stream(self, call: LiveCall, timeout_s: float | None) -> "SlowToLeave":
        return self

    def cancel(self) -> None:
        """Told, and not yet heard."""

    def __iter__(self) -> Iterator[TranscribeResponse]:
        self.reader = threading.current_thread()
        yield TranscribeResponse(accepted=StreamAccepted(session_id="s"))
        self.may_end.wait()


def test_a_loop_that_is_closed_before_the_stream_has_ended_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", raised.append)
    sender = SlowToLeave()
    call = LiveCall(to_source(PcmStream(chunks=[b""], sample_rate_hz=8_000)), TranscribeOptions())

    async def leave_early() -> None:
        events = events_of(cast(Sender, sender), call, None)
        await anext(events)
        await events.aclose()

    asyncio.run(leave_early())
    sender.may_end.set()
    assert sender.reader
    sender.reader.join()
    assert raised == []


async def test_nothing_is_asked_of_the_loop_once_the_caller_has_left() -> None:
    asked = []

    async def talking() -> AsyncIterator[bytes]:
        asked.append(1)
        yield b"ab"

    pieces = FromLoop(talking(), asyncio.get_running_loop())
    await pieces.aclose()
    assert await asyncio.to_thread(list, pieces) == []
    assert asked == []


async def test_a_cancelled_iterator_is_not_the_end_of_the_audio(target: str) -> None:
    async def talking() -> AsyncIterator[bytes]:
        yield b"ab"
        raise asyncio.CancelledError

    async with AsyncClient(target) as client:
        with pytest.raises(RuntimeError, match="was cancelled before its end"):
            await client.transcribe_all(PcmStream(chunks=talking(), sample_rate_hz=8_000))


@pytest.mark.parametrize("is_asked", [False, True])
async def test_who_leaves_finds_his_iterator_ended(is_asked: bool) -> None:
    asked, ended = asyncio.Event(), asyncio.Event()

    async def talking() -> AsyncIterator[bytes]:
        try:
            yield b"ab"
            asked.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with on_threads(to_source(PcmStream(chunks=talking(), sample_rate_hz=8_000))) as source:
        pieces = cast(Iterator[bytes], source.pieces)
        assert await asyncio.to_thread(next, pieces) == b"ab"
        if is_asked:
            rest = asyncio.create_task(asyncio.to_thread(list, pieces))
            await asked.wait()
    assert ended.is_set()
    assert not is_asked or await rest == []
