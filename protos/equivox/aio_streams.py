"""Between an event loop and the threads that carry a live transcription: its events one way, its chunks the other."""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from equivox.client import Sender, read_stream
from equivox.stream_audio import Control, StreamSource, end
from equivox.streaming import LiveCall
from equivox.transcripts import TranscriptionEvent

# Events read but not yet consumed; past it the thread waits, and with it the server.
MAX_WAITING_EVENTS = 256


async def events_of(sender: Sender, call: LiveCall, timeout_s: float | None) -> AsyncGenerator[TranscriptionEvent]:
    """The events of a call that a thread of its own reads."""
    events: asyncio.Queue[TranscriptionEvent | None] = asyncio.Queue()
    room, loop = threading.Semaphore(MAX_WAITING_EVENTS), asyncio.get_running_loop()
    responses = sender.open_stream(call, timeout_s)
    failures: list[BaseException] = []

    def deliver() -> None:
        try:
            for event in read_stream(call, responses):
                room.acquire()
                loop.call_soon_threadsafe(events.put_nowait, event)
        except BaseException as error:
            failures.append(error)
        # A caller who left early may have closed the loop by now: then nobody waits for the end.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(events.put_nowait, None)

    reading = threading.Thread(target=deliver, name="transcribe", daemon=True)
    reading.start()
    try:
        while (event := await events.get()) is not None:
            room.release()
            yield event
        if failures:
            raise failures[0]
    finally:
        call.end()
        responses.cancel()
        room.release(MAX_WAITING_EVENTS)


@asynccontextmanager
async def on_threads(source: StreamSource) -> AsyncIterator[StreamSource]:
    """The source with its pieces where threads can iterate them; an async iterable stays on the running loop."""
    if not isinstance(source.pieces, AsyncIterable):
        yield source
        return
    pieces = FromLoop(aiter(source.pieces), asyncio.get_running_loop())
    try:
        yield replace(source, pieces=pieces)
    finally:
        await pieces.aclose()


class FromLoop(Iterator[bytes | Control]):
    """Iterates, on any one thread, an async iterator that lives on an event loop. Both end when closed."""

    def __init__(self, pieces: AsyncIterator[bytes | Control], loop: asyncio.AbstractEventLoop) -> None:
        self._pieces, self._loop = pieces, loop
        self._waiting: Future[bytes | Control | None] | None = None
        self._closed = False
        # Nothing is asked for between closing and cancelling what was asked for last.
        self._asking = threading.Lock()
        # An iterator that is asked cannot be ended.
        self._in_use = asyncio.Lock()

    def __next__(self) -> bytes | Control:
        with self._asking:
            if self._closed:
                raise StopIteration
            waiting = self._waiting = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
        try:
            piece = waiting.result()
        except CancelledError as error:
            if not self._closed:
                raise RuntimeError("the iterator of chunks was cancelled before its end") from error
            piece = None
        if piece is None:
            raise StopIteration
        return piece

    async def aclose(self) -> None:
        with self._asking:
            self._closed = True
            if self._waiting:
                self._waiting.cancel()
        async with self._in_use:
            await end(self._pieces)

    async def _next(self) -> bytes | Control | None:
        async with self._in_use:
            return None if self._closed else await anext(self._pieces, None)
