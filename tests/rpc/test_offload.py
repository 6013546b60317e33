"""Work on other threads: on which, and what is kept of a call that leaves before its turn."""

import asyncio
import gc
import sys
import threading

import pytest

from equivox.v1.audio_pb2 import Audio
from equivox.v1.embeddings_pb2 import EmbedRequest
from svc.errors import ModelUnavailableError
from svc.rpc.offload import HEAVY_BYTES, HeavyRequest, Offload, decodable_s, on_its_own


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
    ("num_bytes", "recording", "threads"),
    [(HEAVY_BYTES - 100, False, "light"), (HEAVY_BYTES, False, "heavy"), (0, True, "recordings")],
)
async def test_large_requests_and_recordings_go_to_few_threads_of_their_own(
    num_bytes: int, recording: bool, threads: str
) -> None:
    offload, request = Offload(light_threads=1, heavy_threads=1), EmbedRequest(audio=Audio(container=bytes(num_bytes)))
    thread = await offload.run(lambda _: threading.current_thread().name, request, recording=recording)
    assert thread.startswith(threads)
    offload.close()


async def test_clips_do_not_wait_for_recordings_and_what_waits_is_counted() -> None:
    offload, release = Offload(light_threads=1, heavy_threads=1), threading.Event()
    recordings = [
        asyncio.ensure_future(offload.run(lambda _: release.wait(10), EmbedRequest(), recording=True)) for _ in range(3)
    ]
    clips = EmbedRequest(audio=Audio(container=bytes(HEAVY_BYTES)))
    assert await asyncio.wait_for(offload.run(EmbedRequest.ByteSize, clips), 5) > HEAVY_BYTES
    waiting = {threads.name: threads.num_waiting for threads in offload.threads}
    recordings[-1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await recordings.pop()
    assert (waiting, offload.recordings.num_waiting) == ({"light": 0, "heavy": 0, "recordings": 2}, 1)
    release.set()
    assert await asyncio.gather(*recordings) == [True, True]
    offload.close()


async def test_work_too_heavy_for_a_light_thread_is_done_on_a_heavy_one() -> None:
    offload, tried = Offload(light_threads=1, heavy_threads=1), list[str]()

    def work(_: EmbedRequest) -> str:
        tried.append(threading.current_thread().name)
        if decodable_s.get() < 100:
            raise HeavyRequest
        return "done"

    assert await offload.run(work, EmbedRequest()) == "done"
    assert [name.partition("_")[0] for name in tried] == ["light", "heavy"]
    offload.close()


async def test_what_a_thread_of_its_own_raises_reaches_who_waits_for_it() -> None:
    def fail() -> None:
        raise ModelUnavailableError(threading.current_thread().name)

    with pytest.raises(ModelUnavailableError, match="warm-up"):
        await on_its_own(fail, "warm-up")
