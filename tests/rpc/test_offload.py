"""Work on other threads: on which, and what is kept of a call that leaves before its turn."""

import asyncio
import gc
import sys
import threading

import pytest

from equivox.v1.audio_pb2 import Audio
from equivox.v1.embeddings_pb2 import EmbedRequest
from svc.errors import ModelUnavailableError
from svc.rpc.offload import HEAVY_BYTES, Offload, on_its_own


async def test_a_request_that_is_not_waited_for_is_let_go_while_the_threads_are_busy() -> None:
    offload, release = Offload(light_threads=1, heavy_threads=1), threading.Event()
    busy = asyncio.ensure_future(offload.run(lambda _: release.wait(10), EmbedRequest()))
    request = EmbedRequest()
    num_holders = sys.getrefcount(request)
    waiting = asyncio.ensure_future(offload.run(EmbedRequest.ByteSize, request))
    await asyncio.sleep(0)  # both are in the queue
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    del waiting
    await asyncio.sleep(0)  # the loop itself still held the task
    gc.collect()
    assert sys.getrefcount(request) == num_holders
    release.set()
    assert await busy
    offload.close()


@pytest.mark.parametrize(
    ("num_bytes", "said_to_be_heavy", "pool"),
    [(HEAVY_BYTES - 100, False, "light"), (HEAVY_BYTES, False, "heavy"), (0, True, "heavy")],
)
async def test_large_requests_and_diarization_go_to_the_few_heavy_threads(
    num_bytes: int, said_to_be_heavy: bool, pool: str
) -> None:
    offload, request = Offload(light_threads=1, heavy_threads=1), EmbedRequest(audio=Audio(container=bytes(num_bytes)))
    thread = await offload.run(lambda _: threading.current_thread().name, request, heavy=said_to_be_heavy)
    assert thread.startswith(pool)
    offload.close()


async def test_what_a_thread_of_its_own_raises_reaches_who_waits_for_it() -> None:
    def fail() -> None:
        raise ModelUnavailableError(threading.current_thread().name)

    with pytest.raises(ModelUnavailableError, match="warm-up"):
        await on_its_own(fail, "warm-up")
