"""A live transcription in this process: a thread for its requests, and an event loop that runs between two events."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress

from equivox.streaming import LiveCall
from equivox.v1.transcription_pb2 import TranscribeRequest, TranscribeResponse

# Requests read but not yet looked at; past it the thread waits.
MAX_WAITING = 4
Responses = AsyncGenerator[TranscribeResponse]


async def asking(call: LiveCall) -> AsyncGenerator[TranscribeRequest]:
    """The call's requests. Their thread is a daemon: it may be waiting for a terminal that nobody types at."""
    loop, room = asyncio.get_running_loop(), threading.Semaphore(MAX_WAITING)
    requests: asyncio.Queue[TranscribeRequest | None] = asyncio.Queue()

    def feed() -> None:
        with suppress(RuntimeError):  # the loop is closed: the stream has ended meanwhile
            try:
                for request in call.requests():
                    room.acquire()
                    loop.call_soon_threadsafe(requests.put_nowait, request)
            finally:
                loop.call_soon_threadsafe(requests.put_nowait, None)

    threading.Thread(target=feed, name="requests", daemon=True).start()
    while (request := await requests.get()) is not None:
        room.release()
        yield request


def drive(runner: asyncio.Runner, responses: Responses) -> Iterator[TranscribeResponse]:
    """Each response, the loop standing still while it is used."""
    while (response := runner.run(_next(responses))) is not None:
        yield response


async def closed(responses: Responses) -> None:
    """Ends the stream wherever it stands."""
    await responses.aclose()


async def _next(responses: Responses) -> TranscribeResponse | None:
    return await anext(responses, None)
