"""What one caller has sent and nobody has worked on yet: read ahead a little, so that nothing waits, and never more."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import NamedTuple, Self

from equivox.v1.transcription_pb2 import TranscribeRequest
from svc.errors import StreamIdleError

# What a stream's caller may send before anybody reads it: enough for 20 MB/s at a round trip of 50 ms.
WINDOW_BYTES = 2**20
# Of a caller who sends single samples, or keep_alive without end.
MAX_WAITING_REQUESTS = 256


class Received(NamedTuple):
    """A request, and when it came, on time.monotonic's clock."""

    request: TranscribeRequest
    at_s: float


class Inbox:
    """Reads a stream's requests while the last ones are being worked on. Lives on one event loop; an async context.

    Reading stops while `max_waiting_bytes` of audio or more wait; gRPC's flow control then slows the caller down. It is
    0 at first: then there is never more than one message.
    """

    def __init__(self, requests: AsyncIterator[TranscribeRequest], *, idle_timeout_s: float) -> None:
        self.max_waiting_bytes = 0
        self.idle_timeout_s = idle_timeout_s
        self._requests = requests
        self._waiting: deque[Received] = deque()
        self._waiting_bytes = 0
        self._arrived, self._taken = asyncio.Event(), asyncio.Event()

    async def __aenter__(self) -> Self:
        self._reading = asyncio.create_task(self._read())
        self._reading.add_done_callback(self._on_end)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._reading.cancel()

    def stop(self) -> None:
        """Reads no more; what was read is still handed out, then the inbox is at its end."""
        self._reading.cancel()

    @property
    def cut_short(self) -> bool:
        """Whether the stop came before the end of the requests was read."""
        return self._reading.cancelling() > 0

    async def take(self) -> list[Received]:
        """The next request, with the audio behind it when it is audio; none at the end of the stream.

        Raises StreamIdleError when nothing came for too long, InvalidRequestError for bytes that are no request.
        """
        try:
            async with asyncio.timeout(self.idle_timeout_s):
                while not self._waiting and not self._reading.done():
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            raise StreamIdleError(
                f"nothing came for {self.idle_timeout_s:g} s: send keep_alive while there is no audio"
            ) from None
        taken = self._pop()
        if not taken and not self._reading.cancelled() and (failure := self._reading.exception()):
            raise failure
        self._taken.set()
        return taken

    def _pop(self) -> list[Received]:
        taken: list[Received] = []
        while self._waiting and (not taken or (is_audio(taken[-1]) and is_audio(self._waiting[0]))):
            taken.append(self._waiting.popleft())
            self._waiting_bytes -= len(taken[-1].request.audio)
        return taken

    async def _read(self) -> None:
        async for request in self._requests:
            self._waiting.append(Received(request, time.monotonic()))
            self._waiting_bytes += len(request.audio)
            self._arrived.set()
            while self._is_full():
                self._taken.clear()
                await self._taken.wait()

    def _is_full(self) -> bool:
        too_much = self._waiting_bytes >= self.max_waiting_bytes or len(self._waiting) >= MAX_WAITING_REQUESTS
        return too_much if self._waiting else False

    def _on_end(self, reading: "asyncio.Task[None]") -> None:
        if not reading.cancelled():
            reading.exception()  # taken note of, or asyncio complains where nobody waits for it any more
        self._arrived.set()


def is_audio(received: Received) -> bool:
    return bool(received.request.WhichOneof("kind") == "audio")
