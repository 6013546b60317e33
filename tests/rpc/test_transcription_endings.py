"""Live transcription over a real channel: how streams end, and that nothing of them stays."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import grpc
from grpc import StatusCode

from equivox.v1.transcription_pb2 import TranscribeRequest, TranscribeResponse
from svc.config import TranscriptionConfig
from svc.rpc.server import Server
from tests.rpc.conftest import tiny_server
from tests.rpc.live import CONFIG, KEEP_ALIVE, METHOD, Dialogue, chunks, transcribe
from tests.rpc.speech import RATE_HZ
from tests.rpc.test_server import ANY_PORT, to
from tests.rpc.toy_server import reason_of
from tests.rpc.toy_transcriber import SPEECH
from tests.rpc.waiting import until


async def test_a_dropped_stream_frees_its_state_at_once(server: Server, channel: grpc.aio.Channel) -> None:
    held = server.application.transcriber.held  # type: ignore[attr-defined]
    dialogue = Dialogue(channel)
    await dialogue.send([CONFIG, *chunks(SPEECH)])
    await dialogue.read_until("word")
    assert len(held) == 1
    dialogue.call.cancel()
    await until(lambda: not held)
    await until(lambda: server.stream_admission.num_running == 0)
    assert server.metrics.registry.get_sample_value("equivox_streams_open") == 0


async def test_an_ended_stream_frees_its_state(server: Server, channel: grpc.aio.Channel) -> None:
    await transcribe(server, [CONFIG, *chunks(SPEECH)])
    assert not server.application.transcriber.held  # type: ignore[attr-defined]


async def test_a_stream_that_falls_silent_is_ended_and_keep_alive_prevents_it(tmp_path: Path) -> None:
    limits = TranscriptionConfig(idle_timeout_s=0.6)
    async with tiny_server(tmp_path, server=ANY_PORT, transcription=limits) as server, to(server) as channel:
        dialogue = Dialogue(channel)
        await dialogue.send([CONFIG, *chunks(SPEECH[:RATE_HZ])])
        for _ in range(45):  # 1.5 timeouts at the least
            kept_alive_s = time.monotonic()
            await dialogue.send([KEEP_ALIVE])
            await asyncio.sleep(0.02)
        answered = await dialogue.rest()
    assert time.monotonic() - kept_alive_s >= limits.idle_timeout_s
    error = answered.refusal()
    assert (error.code(), reason_of(error)) == (StatusCode.DEADLINE_EXCEEDED, "STREAM_IDLE")
    assert answered.kinds()[-1] == "turn_end"


async def test_a_caller_who_reads_nothing_holds_no_stream_for_ever(tmp_path: Path) -> None:
    limits = TranscriptionConfig(idle_timeout_s=0.5, max_speed=0.0)
    small_window = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 4096)]
    async with (
        tiny_server(tmp_path, server=ANY_PORT, transcription=limits) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options=small_window) as channel,
    ):
        method = channel.stream_stream(METHOD, TranscribeRequest.SerializeToString, TranscribeResponse.FromString)
        call = method()  # type: ignore[call-arg]  # the stubs want an iterator
        await call.write(CONFIG)
        await until(lambda: server.stream_admission.num_running == 1)

        async def talk_on() -> None:
            while True:
                for request in chunks(SPEECH):
                    await call.write(request)

        talking = asyncio.create_task(talk_on())
        await until(lambda: server.stream_admission.num_running == 0)
        talking.cancel()
        call.cancel()


async def test_a_drain_closes_open_turns_and_ends_streams_well(tmp_path: Path) -> None:
    async with tiny_server(tmp_path, server=replace(ANY_PORT, drain_s=30.0)) as server, to(server) as channel:
        talking, waiting = Dialogue(channel), Dialogue(channel)
        await talking.send([CONFIG, *chunks(SPEECH[:RATE_HZ])])
        await talking.read_until("word")
        await until(lambda: server.stream_admission.num_running == 2)
        await asyncio.wait_for(server.drain(), 5)
        answered = await talking.rest()
        early = await waiting.rest()
    assert answered.error is None
    assert [event.warning.reason for event in answered.events if event.HasField("warning")] == ["DRAINING"]
    assert answered.kinds()[-1] == "turn_end"
    assert reason_of(early.refusal()) == "NOT_READY"
