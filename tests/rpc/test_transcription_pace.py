"""Live transcription over a real channel: how fast, and how many at once."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing
from pathlib import Path

import numpy as np
import pytest
from grpc import StatusCode
from prometheus_client import CollectorRegistry

from equivox.streaming import Pace
from equivox.v1.transcription_pb2 import TranscribeRequest
from svc.config import TranscriptionConfig
from svc.rpc.server import Server
from svc.rpc.stream_telemetry import StreamMetrics
from svc.rpc.transcription import TranscriptionServicer
from tests.rpc.conftest import tiny_server
from tests.rpc.live import CONFIG, Dialogue, chunks, transcribe
from tests.rpc.speech import RATE_HZ
from tests.rpc.test_server import ANY_PORT, to
from tests.rpc.tiny_application import TinyApplication, tiny_config
from tests.rpc.toy_server import reason_of, retry_after_s
from tests.rpc.toy_transcriber import SPEECH
from tests.rpc.waiting import until


async def test_no_more_than_the_configured_backlog_is_read_ahead(tmp_path: Path) -> None:
    sent: list[TranscribeRequest] = []

    async def requests() -> AsyncIterator[TranscribeRequest]:
        for request in [CONFIG, *chunks(SPEECH, RATE_HZ // 10)]:
            sent.append(request)
            yield request

    settings, may_work = TranscriptionConfig(max_backlog_s=0.5, max_streams=1), threading.Event()
    with closing(TinyApplication(tiny_config(tmp_path, transcription=settings))) as application:
        servicer = TranscriptionServicer(application, StreamMetrics(CollectorRegistry()))
        async with aclosing(servicer.Transcribe(requests(), None)) as responses:
            await anext(responses)
            # The one thread is taken: nothing but reading goes on.
            servicer.pool.submit(may_work.wait, 10)
            running = asyncio.ensure_future(anext(responses))
            await until(lambda: len(sent) >= 2 + 5)
            await asyncio.sleep(0.05)
            num_sent = len(sent)
            may_work.set()
            await running
        servicer.close()
    # The configuration and a chunk have been taken, half a second waits.
    assert num_sent == 2 + 5


@pytest.mark.slow
async def test_a_slow_server_slows_its_sender_down(server: Server) -> None:
    server.application.transcriber.block_s = 0.3  # type: ignore[attr-defined]
    one_s = chunks(np.zeros(RATE_HZ, np.float32))
    sent: list[TranscribeRequest] = []

    def two_minutes() -> Iterator[TranscribeRequest]:
        for request in [CONFIG, *one_s * 120]:
            sent.append(request)
            yield request

    running = asyncio.create_task(transcribe(server, two_minutes()))
    await asyncio.sleep(1.5)
    # Some seconds have been worked on, two wait in the inbox and 16 in gRPC's window; all else is not sent yet.
    assert len(sent) < 45 * len(one_s)
    server.application.transcriber.block_s = 0.0  # type: ignore[attr-defined]
    await server.drain()
    assert (await running).error is None


async def test_audio_too_fast_is_told_when_to_go_on(tmp_path: Path) -> None:
    limits = TranscriptionConfig(max_speed=2.0, max_burst_s=2.0)
    async with tiny_server(tmp_path, server=ANY_PORT, transcription=limits) as server:
        answered = await transcribe(server, [CONFIG, *chunks(np.tile(SPEECH, 30))])
    error = answered.refusal()
    assert (error.code(), reason_of(error)) == (StatusCode.RESOURCE_EXHAUSTED, "STREAM_TOO_FAST")
    assert 0 < retry_after_s(error) < 0.1
    assert answered.kinds()[-1] == "turn_end"


async def test_who_keeps_to_the_limits_is_not_ended_for_a_server_that_stalls(tmp_path: Path) -> None:
    limits = TranscriptionConfig(max_speed=20.0, max_burst_s=2.0)

    async with tiny_server(tmp_path, server=ANY_PORT, transcription=limits) as server:
        toy = server.application.transcriber

        def just_so_fast() -> Iterator[TranscribeRequest]:
            yield CONFIG
            pace = Pace(limits.max_speed)
            for request in chunks(np.zeros(14 * RATE_HZ, np.float32)):
                time.sleep(pace.wait_s(0.1))
                yield request
            toy.block_s = 0.0  # type: ignore[attr-defined]

        toy.block_s = 1.0  # type: ignore[attr-defined]
        answered = await transcribe(server, just_so_fast())
    assert answered.error is None


async def test_without_limits_audio_comes_as_fast_as_it_can(tmp_path: Path) -> None:
    limits = TranscriptionConfig(max_speed=0.0, max_burst_s=0.0)
    async with tiny_server(tmp_path, server=ANY_PORT, transcription=limits) as server:
        answered = await transcribe(server, [CONFIG, *chunks(SPEECH)])
    assert answered.error is None
    assert answered.words()


async def test_one_stream_too_many_is_told_to_come_back_and_calls_are_not(tmp_path: Path) -> None:
    limits = TranscriptionConfig(max_streams=1)
    async with tiny_server(tmp_path, server=ANY_PORT, transcription=limits) as server, to(server) as channel:
        first = Dialogue(channel)
        await first.send([CONFIG])
        await first.read_until("accepted")
        error = (await transcribe(server, [CONFIG])).refusal()
        await first.end()
        after = await transcribe(server, [CONFIG])
    assert (error.code(), reason_of(error)) == (StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    assert "1 streams are under way" in str(error.details())
    assert after.error is None
