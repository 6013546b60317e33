"""The server's life: health, reflection, limits, TLS, tokens, drain, and clear words when it cannot start."""

import asyncio
import gc
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from structlog.testing import capture_logs

from equivox.v1.audio_pb2 import Audio
from equivox.v1.embeddings_pb2 import EmbedRequest, EmbedResponse
from equivox.v1.embeddings_pb2_grpc import EmbeddingsStub
from equivox.v1.profiles_pb2 import CreateRequest, EnrollRequest, GetRequest
from equivox.v1.profiles_pb2_grpc import ProfilesStub
from svc.application import Application
from svc.backends import loading
from svc.config import (
    MAX_CALLS,
    MAX_GRPC_S,
    MAX_REQUEST_BYTES,
    AudioConfig,
    EquivoxConfig,
    ServerConfig,
    TranscriptionConfig,
)
from svc.errors import StorageError
from svc.rpc.parsing import MESSAGE_MARGIN_BYTES
from svc.rpc.process import leave_uncollected, run, sweep, warn_about
from svc.rpc.reflection import MAX_REFLECTIONS
from svc.rpc.server import SERVICES, TRANSCRIPTION, Server, bind, channel_options
from svc.rpc.telemetry import Metrics
from svc.types import FloatArray
from tests.rpc.conftest import tiny_server
from tests.rpc.live import CONFIG, transcribe
from tests.rpc.speech import said
from tests.rpc.tiny_application import LIMITS, TinyApplication, tiny_config
from tests.rpc.toy_server import detail_of, reason_of
from tests.rpc.waiting import until

ANY_PORT = ServerConfig(address="127.0.0.1:0", drain_s=5.0)
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


def to(server: Server) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(f"127.0.0.1:{server.port}")


async def health_of(channel: grpc.aio.Channel, service: str = "") -> int:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    return int((await stub.Check(health_pb2.HealthCheckRequest(service=service))).status)


@pytest.mark.parametrize("service", ["", *SERVICES])
async def test_each_service_is_healthy_once_warm(channel: grpc.aio.Channel, service: str) -> None:
    assert await health_of(channel, service) == SERVING


class WithoutTranscriber(TinyApplication):
    """As a release that ships none."""

    can_transcribe = Application.can_transcribe
    transcriber = Application.transcriber  # type: ignore[assignment]


async def test_without_a_transcriber_all_else_serves_and_streams_are_told_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "SHIPPED", tmp_path)
    server = Server(WithoutTranscriber(tiny_config(tmp_path, server=ANY_PORT)), Metrics())
    await server.start()
    await server.warm_up()
    async with to(server) as channel:
        assert (await health_of(channel), await health_of(channel, TRANSCRIPTION)) == (SERVING, NOT_SERVING)
    error = (await transcribe(server, [CONFIG])).refusal()
    await server.drain()
    server.application.close()
    assert (error.code(), reason_of(error)) == (StatusCode.UNAVAILABLE, "MODEL_UNAVAILABLE")
    assert "transcription.artifact" in str(error.details())


async def test_what_is_to_be_done_before_calls_come_is_done_when_all_is_loaded(tmp_path: Path) -> None:
    application = TinyApplication(tiny_config(tmp_path))
    server, seen = Server(application, Metrics()), list[tuple[bool, bool]]()
    await server.warm_up(lambda: seen.append(("verifier" in vars(application), bool(server.admission.closed_because))))
    assert seen == [(True, True)]
    assert not server.admission.closed_because
    application.close()


def test_what_is_loaded_is_never_looked_through_again() -> None:
    try:
        leave_uncollected()
        assert gc.get_freeze_count() > len(gc.get_objects())
    finally:
        gc.unfreeze()


async def test_before_warm_up_health_answers_and_calls_are_told_to_retry(tmp_path: Path) -> None:
    application = TinyApplication(tiny_config(tmp_path, server=ANY_PORT))
    server = Server(application, Metrics())
    await server.start()
    async with to(server) as channel:
        stub: Any = EmbeddingsStub(channel)
        assert await health_of(channel) == NOT_SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Embed(EmbedRequest(audio=said("ann")))
    assert (caught.value.code(), reason_of(caught.value)) == (StatusCode.UNAVAILABLE, "NOT_READY")
    await server.drain()
    application.close()


async def test_reflection_lists_every_service(channel: grpc.aio.Channel) -> None:
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    answer = await stub.ServerReflectionInfo(iter([request])).read()
    listed = {service.name for service in answer.list_services_response.service}
    assert set(SERVICES) < listed


async def test_those_who_look_around_leave_room_for_calls(channel: grpc.aio.Channel) -> None:
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    open_streams = [stub.ServerReflectionInfo() for _ in range(MAX_REFLECTIONS)]
    for stream in open_streams:
        await stream.write(request)
        assert (await stream.read()).list_services_response.service
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asyncio.wait_for(stub.ServerReflectionInfo().read(), 10)
    assert (caught.value.code(), reason_of(caught.value)) == (StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    embeddings: Any = EmbeddingsStub(channel)
    assert (await embeddings.Embed(EmbedRequest(audio=said("ann")))).embedding.values


async def test_who_looks_around_and_asks_no_more_is_sent_away(tmp_path: Path) -> None:
    hasty = TranscriptionConfig(idle_timeout_s=0.5)
    async with tiny_server(tmp_path, server=ANY_PORT, transcription=hasty) as server, to(server) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asyncio.wait_for(stub.ServerReflectionInfo().read(), 10)
    assert (caught.value.code(), reason_of(caught.value)) == (StatusCode.DEADLINE_EXCEEDED, "STREAM_IDLE")


async def test_a_message_over_the_limit_is_refused_by_name_and_a_monstrous_one_unread(tmp_path: Path) -> None:
    audio = replace(LIMITS, max_bytes=100_000)
    async with tiny_server(tmp_path, audio=audio, server=ANY_PORT) as server, to(server) as channel:
        stub: Any = ProfilesStub(channel)
        utterances = [Audio(container=bytes(80_000)), Audio(container=bytes(90_000))]
        with pytest.raises(grpc.aio.AioRpcError) as large:
            await stub.Enroll(EnrollRequest(profile_id="ann", utterances=utterances))
        with pytest.raises(grpc.aio.AioRpcError) as monstrous:
            await stub.Enroll(EnrollRequest(profile_id="ann", utterances=2 * utterances))
    assert (large.value.code(), reason_of(large.value)) == (StatusCode.INVALID_ARGUMENT, "AUDIO_TOO_LONG")
    assert detail_of(large.value, BadRequest).field_violations[0].field == "utterances[1].container"
    assert monstrous.value.code() is StatusCode.RESOURCE_EXHAUSTED


async def test_requests_may_be_as_large_as_a_message_can_be(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, audio=AudioConfig(max_bytes=MAX_REQUEST_BYTES))
    server = grpc.aio.server(options=channel_options(config))
    assert dict(channel_options(config))["grpc.max_receive_message_length"] > MAX_REQUEST_BYTES + MESSAGE_MARGIN_BYTES
    await server.stop(None)


async def test_a_server_starts_with_the_largest_settings_there_are(tmp_path: Path) -> None:
    largest = replace(ANY_PORT, max_concurrent_calls=MAX_CALLS, max_streams_per_connection=MAX_CALLS)
    largest = replace(largest, max_connection_idle_s=float(MAX_GRPC_S), keepalive_s=float(MAX_GRPC_S))
    streams = TranscriptionConfig(max_streams=MAX_CALLS)
    async with tiny_server(tmp_path, server=largest, transcription=streams) as server, to(server) as channel:
        assert await health_of(channel) == SERVING


class GatedApplication(TinyApplication):
    """Its embedder waits for the gate to open."""

    def warm_up(self) -> None:
        super().warm_up()
        self.gate = threading.Event()
        inner = self.embedder.embedder
        embed = inner.embed

        def once_let_through(clips: Sequence[FloatArray]) -> FloatArray:
            assert self.gate.wait(10)
            return embed(clips)

        inner.embed = once_let_through  # type: ignore[method-assign]


@asynccontextmanager
async def under_way(application: GatedApplication) -> AsyncIterator[tuple[Server, Any, asyncio.Future[EmbedResponse]]]:
    """A server, its stub and a call that waits at the gate."""
    server = Server(application, Metrics())
    await server.start()
    await server.warm_up()
    async with to(server) as channel:
        stub: Any = EmbeddingsStub(channel)
        running = asyncio.ensure_future(stub.Embed(EmbedRequest(audio=said("ann"))))
        await until(lambda: server.admission.num_running == 1)
        yield server, stub, running
    application.close()


async def test_a_drain_lets_what_is_under_way_finish_and_refuses_the_rest(tmp_path: Path) -> None:
    application = GatedApplication(tiny_config(tmp_path, server=ANY_PORT))
    async with under_way(application) as (server, stub, running), to(server) as channel:
        draining = asyncio.create_task(server.drain())
        await until(lambda: bool(server.admission.closed_because))
        assert await health_of(channel) == NOT_SERVING
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Embed(EmbedRequest(audio=said("ann")))
        application.gate.set()
        assert len((await running).embedding.values) > 0
        await draining
    assert (refused.value.code(), reason_of(refused.value)) == (StatusCode.UNAVAILABLE, "NOT_READY")
    assert "shutting down" in str(refused.value.details())


async def test_a_drain_cuts_what_outlasts_it_and_waits_for_the_thread(tmp_path: Path) -> None:
    application = GatedApplication(tiny_config(tmp_path, server=replace(ANY_PORT, drain_s=0.1)))
    with capture_logs() as logged:
        async with under_way(application) as (server, _, running):
            draining = asyncio.create_task(server.drain())
            with pytest.raises(grpc.aio.AioRpcError) as cut:
                await asyncio.wait_for(running, 5)
            ended, _ = await asyncio.wait([draining], timeout=0.5)
            assert not ended
            application.gate.set()
            await asyncio.wait_for(draining, 5)
    assert cut.value.code() is StatusCode.UNAVAILABLE
    assert [line["num_cut"] for line in logged if line["event"] == "drained"] == [1]
    assert [line["reason"] for line in logged if line["event"] == "call"] == ["CALL_ABANDONED"]


@pytest.mark.slow
def test_a_signal_while_the_models_load_does_not_wait_for_them(tmp_path: Path) -> None:
    server = [sys.executable, "-m", "tests.rpc.stuck_server", str(tmp_path)]
    ended = subprocess.run(server, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    events = [json.loads(line)["event"] for line in ended.stderr.splitlines()]
    assert events[-3:] == ["listening", "draining", "drained"]


async def test_a_drain_does_not_wait_for_those_who_watch_health(tmp_path: Path) -> None:
    async with tiny_server(tmp_path, server=replace(ANY_PORT, drain_s=60.0)) as server, to(server) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watching = stub.Watch(health_pb2.HealthCheckRequest())
        assert (await watching.read()).status == SERVING
        await asyncio.wait_for(server.drain(), 10)
        assert (await watching.read()).status == NOT_SERVING


async def test_those_who_watch_health_leave_room_for_calls(tmp_path: Path) -> None:
    small, one_stream = replace(ANY_PORT, max_concurrent_calls=1), TranscriptionConfig(max_streams=1)
    async with tiny_server(tmp_path, server=small, transcription=one_stream) as server, to(server) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watching = [stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(30)]
        assert [(await each.read()).status for each in watching] == [SERVING] * len(watching)
        assert await health_of(channel) == SERVING


async def test_tenants_do_not_see_each_others_profiles(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text('one = "acme"\ntwo = "globex"\n')
    async with tiny_server(tmp_path, server=replace(ANY_PORT, tokens_file=tokens)) as server, to(server) as channel:
        stub: Any = ProfilesStub(channel)
        one, two = ((("authorization", f"Bearer {token}"),) for token in ("one", "two"))
        await stub.Create(CreateRequest(profile_id="ann", consent_reference="paper"), metadata=one)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Get(GetRequest(profile_id="ann"), metadata=two)
        assert await health_of(channel) == SERVING  # probes carry no token
    assert reason_of(caught.value) == "PROFILE_NOT_FOUND"


async def test_expired_profiles_are_swept_in_the_background_though_the_disk_was_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(tmp_path)
    application = TinyApplication(replace(config, profiles=replace(config.profiles, sweep_interval_s=0.05)))
    profiles, full = application.profiles, [StorageError("the disk is full")]
    erase = profiles.sweep

    def erase_where_there_is_room(now_s: float) -> int:
        if full:
            raise full.pop()
        return erase(now_s)

    monkeypatch.setattr(profiles, "sweep", erase_where_there_is_room)
    profiles.create("t", profile_id="p", consent_reference="paper", expires_at_s=time.time() + 0.2)
    with capture_logs() as logged:
        sweeping = asyncio.create_task(sweep(application))
        await until(lambda: not profiles.list("t")[0])
        sweeping.cancel()
    assert [line["reason"] for line in logged if line["event"] == "sweep failed"] == ["STORAGE_UNAVAILABLE"]
    application.close()


def test_a_taken_port_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert run(tiny_config(tmp_path, server=ServerConfig(address=address))) == 1
    last = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert (last["event"], last["error"]) == ("cannot serve", "OSError")
    assert f"cannot listen on {address}" in last["message"]


NO_KEY, NO_TOKEN, NO_TLS = "not encrypted at rest", "anybody who reaches the port", "in the clear"
ELSEWHERE, SECRETS, AUTHORITY = "0.0.0.0:50051", Path("tokens.toml"), Path("authority.pem")


@pytest.mark.parametrize(
    ("server", "warnings"),
    [
        (ServerConfig(), {NO_KEY}),
        (ServerConfig(address="[::1]:1"), {NO_KEY}),
        (ServerConfig(address="127.here.example:1"), {NO_KEY, NO_TOKEN, NO_TLS}),
        (ServerConfig(address=ELSEWHERE), {NO_KEY, NO_TOKEN, NO_TLS}),
        (ServerConfig(address=ELSEWHERE, tokens_file=SECRETS), {NO_KEY, NO_TLS}),
        (ServerConfig(address=ELSEWHERE, tls_certificate=Path("own.pem")), {NO_KEY, NO_TOKEN}),
        (ServerConfig(address=ELSEWHERE, tls_certificate=Path("own.pem"), tls_client_authority=AUTHORITY), {NO_KEY}),
    ],
)
def test_what_no_production_server_is_run_with_is_warned_of(
    tmp_path: Path, server: ServerConfig, warnings: set[str]
) -> None:
    config = tiny_config(tmp_path, server=server)
    with_key = replace(config, profiles=replace(config.profiles, key_file=tmp_path / "key"))
    assert warned_of(config) == warnings
    assert warned_of(with_key) == warnings - {NO_KEY}


def warned_of(config: EquivoxConfig) -> set[str]:
    with capture_logs() as logged:
        warn_about(config)
    assert all(line["log_level"] == "warning" and line["remedy"] for line in logged)
    return {what for what in (NO_KEY, NO_TOKEN, NO_TLS) if any(what in line["event"] for line in logged)}


async def test_binding_to_a_taken_port_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = grpc.aio.server()
        with pytest.raises(OSError, match="cannot listen"):
            bind(server, ServerConfig(address=f"127.0.0.1:{taken.getsockname()[1]}"))


async def test_a_database_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "profiles.sqlite3").write_bytes(b"not a database" * 1000)
    application: Application = TinyApplication(tiny_config(tmp_path, server=ANY_PORT))
    with pytest.raises(StorageError):
        application.warm_up()
    application.close()
