"""Blocking work off the event loop, on a bounded number of threads."""

import asyncio
import contextvars
import math
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from itertools import count
from typing import Any, TypeVar

from google.protobuf.message import Message

from svc.backends.call_scope import check_wanted

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response")

# Requests above this many bytes, or whose clips together last longer, go to the few heavy threads: minutes of audio
# neither hold up short calls nor pile up decoded in memory. A minute is 2 MB of 16-bit samples at 16 kHz; of silence
# packed well, 2 MB can be hours.
HEAVY_BYTES = 2 * 2**20
HEAVY_S = 60.0

decodable_s: ContextVar[float] = ContextVar("decodable_s", default=math.inf)
"""Seconds of clips that this thread may decode for one request; past them it must raise HeavyRequest."""


class HeavyRequest(Exception):  # noqa: N818 - no error: it only goes elsewhere
    """A light thread found more audio in a request than it may decode. Nothing was done for the request so far."""


class Threads:
    """A number of threads, and the requests that wait for one of them."""

    def __init__(self, number: int, name: str, *, decodable_s: float = math.inf) -> None:
        self.name = name
        self.decodable_s = decodable_s
        self._pool = ThreadPoolExecutor(number, name)
        self._waiting: dict[int, Any] = {}
        self._numbers = count()

    @property
    def num_waiting(self) -> int:
        """Requests that no thread has begun with, and whose callers still wait."""
        return len(self._waiting)

    async def run(self, work: Callable[[Request], Response], request: Request) -> Response:
        """`work(request)` in a thread that sees the call's context variables; not begun when the call is gone."""
        context, number = contextvars.copy_context(), next(self._numbers)
        self._waiting[number] = request
        try:
            begin = partial(context.run, self._begin, work, number)
            return await asyncio.get_running_loop().run_in_executor(self._pool, begin)
        finally:
            # Work that was cancelled stays in the pool's queue, for minutes behind heavy calls; its request does not.
            self._waiting.pop(number, None)

    def close(self) -> None:
        """Waits for what is running; what has not begun is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _begin(self, work: Callable[[Any], Response], number: int) -> Response:
        check_wanted()
        decodable_s.set(self.decodable_s)
        return work(self._waiting.pop(number))


class Offload:
    """Runs a servicer's synchronous half: light requests on many threads, heavy ones on one per core, and recordings on
    as many of their own, since they are worked on for longer than who sends clips waits.
    """

    def __init__(self, *, light_threads: int, heavy_threads: int) -> None:
        self.light = Threads(light_threads, "light", decodable_s=HEAVY_S)
        self.heavy = Threads(heavy_threads, "heavy")
        self.recordings = Threads(heavy_threads, "recordings")

    @property
    def threads(self) -> tuple[Threads, ...]:
        return self.light, self.heavy, self.recordings

    async def run(self, work: Callable[[Request], Response], request: Request, *, recording: bool = False) -> Response:
        """`work(request)` on the threads it belongs on. Work that raises HeavyRequest is done anew on a heavy one."""
        if recording:
            return await self.recordings.run(work, request)
        if request.ByteSize() <= HEAVY_BYTES:
            with suppress(HeavyRequest):
                return await self.light.run(work, request)
        return await self.heavy.run(work, request)

    def close(self) -> None:
        """Waits for what is running; what has not begun is dropped."""
        for threads in self.threads:
            threads.close()


def on_its_own(work: Callable[[], None], name: str) -> asyncio.Future[None]:
    """`work()` in a thread that nobody waits for once this is cancelled: not the event loop at its end, as it does for
    asyncio.to_thread, nor the interpreter.
    """
    done = Future[None]()
    done.set_running_or_notify_cancel()
    threading.Thread(target=_settle, args=(done, work), name=name, daemon=True).start()
    return asyncio.wrap_future(done)


def _settle(done: Future[None], work: Callable[[], None]) -> None:
    try:
        work()
    except BaseException as error:
        done.set_exception(error)
    else:
        done.set_result(None)
