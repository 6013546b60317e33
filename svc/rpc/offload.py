"""Blocking work off the event loop, on a bounded number of threads."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from google.protobuf.message import Message

from svc.backends.call_scope import current_call

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response")

# Requests above this many bytes, like all diarization, go to the few heavy threads: minutes of audio neither hold up
# short calls nor pile up decoded in memory.
HEAVY_BYTES = 2 * 2**20


class Offload:
    """Runs a servicer's synchronous half: light requests on many threads, heavy ones on one per core."""

    def __init__(self, *, light_threads: int, heavy_threads: int) -> None:
        self.light = ThreadPoolExecutor(light_threads, "light")
        self.heavy = ThreadPoolExecutor(heavy_threads, "heavy")

    async def run(self, work: Callable[[Request], Response], request: Request, *, heavy: bool = False) -> Response:
        """`work(request)` in a thread that sees the call's context variables; not begun when the call is gone."""
        pool = self.heavy if heavy or request.ByteSize() > HEAVY_BYTES else self.light
        context, held = contextvars.copy_context(), [request]
        try:
            waiting = partial(context.run, _unless_gone, work, held)
            return await asyncio.get_running_loop().run_in_executor(pool, waiting)
        finally:
            # Work that was cancelled stays in the pool's queue, for minutes behind heavy calls; its request does not.
            held.clear()

    def close(self) -> None:
        """Waits for what is running; what has not begun is dropped."""
        for pool in (self.light, self.heavy):
            pool.shutdown(wait=True, cancel_futures=True)


def _unless_gone(work: Callable[[Request], Response], held: list[Request]) -> Response:
    """`held`: the request, or nothing once nobody waits for the answer."""
    if scope := current_call.get():
        scope.check()
    return work(held.pop())


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
