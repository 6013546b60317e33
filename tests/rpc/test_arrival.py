"""Calls that send no request: they lock nobody out, be they of health, which needs no token, or of one tenant."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import StatusCode
from grpc_health.v1.health_pb2 import HealthCheckResponse

from equivox.v1.embeddings_pb2 import EmbedRequest, EmbedResponse
from equivox.v1.embeddings_pb2_grpc import EmbeddingsStub
from svc.config import TranscriptionConfig
from svc.rpc.server import MAX_PROBES, Server
from tests.rpc.conftest import tiny_server
from tests.rpc.speech import said
from tests.rpc.test_guards import ACME, GLOBEX
from tests.rpc.test_server import ANY_PORT, SERVING, health_of, to
from tests.rpc.toy_server import reason_of
from tests.rpc.waiting import until

CHECK, WATCH, EMBED = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch", "/equivox.v1.Embeddings/Embed"
# Each kind of call has its own limit below that.
NUM_SILENT = 170

Silent = grpc.aio.StreamStreamCall[bytes, bytes]


@asynccontextmanager
async def small_server(folder: Path) -> AsyncIterator[Server]:
    """Two calls and one stream at once; it wants a token."""
    tokens = folder / "tokens.toml"
    tokens.write_text('one = "acme"\ntwo = "globex"\n')
    config = replace(ANY_PORT, tokens_file=tokens, max_concurrent_calls=2, max_streams_per_connection=4 * NUM_SILENT)
    async with tiny_server(folder, server=config, transcription=TranscriptionConfig(max_streams=1)) as server:
        yield server


def silent(
    channel: grpc.aio.Channel, method: str, number: int, metadata: Sequence[tuple[str, str]] = ()
) -> list[Silent]:
    """So many calls whose request never comes."""
    open_call: Any = channel.stream_stream(method, bytes, bytes)
    return [open_call(metadata=metadata) for _ in range(number)]


@pytest.mark.parametrize("method", [CHECK, WATCH])
async def test_who_asks_for_health_and_sends_no_request_holds_up_neither_probes_nor_calls(
    tmp_path: Path, method: str
) -> None:
    async with small_server(tmp_path) as server, to(server) as attacker, to(server) as channel:
        calls = silent(attacker, method, NUM_SILENT)
        await until(lambda: server.probe_arrival.num_waiting == MAX_PROBES)
        for _ in range(5):
            assert await health_of(channel) == SERVING
        stub: Any = EmbeddingsStub(channel)
        assert (await stub.Embed(EmbedRequest(audio=said("ann")), metadata=ACME)).embedding.values
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asyncio.wait_for(calls[-1].read(), 20)
    assert (caught.value.code(), reason_of(caught.value)) == (StatusCode.DEADLINE_EXCEEDED, "STREAM_IDLE")


async def test_a_tenant_who_sends_no_request_locks_himself_out_and_nobody_else(tmp_path: Path) -> None:
    async with small_server(tmp_path) as server, to(server) as attacker, to(server) as channel:
        calls = silent(attacker, EMBED, NUM_SILENT, ACME)
        await until(lambda: server.arrival.num_waiting == server.arrival.max_of_tenant)
        stub: Any = EmbeddingsStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Embed(EmbedRequest(audio=said("ann")), metadata=ACME)
        assert (caught.value.code(), reason_of(caught.value)) == (StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        assert (await stub.Embed(EmbedRequest(audio=said("ann")), metadata=GLOBEX)).embedding.values
        assert await health_of(channel) == SERVING
        for call in calls:
            call.cancel()


async def test_no_more_calls_of_all_tenants_are_waited_for_than_twice_those_of_one(tmp_path: Path) -> None:
    async with small_server(tmp_path) as server, to(server) as channel:
        calls = [*silent(channel, EMBED, NUM_SILENT, ACME), *silent(channel, EMBED, NUM_SILENT, GLOBEX)]
        await until(lambda: server.arrival.num_waiting == server.arrival.max_waiting)
        assert await health_of(channel) == SERVING
        for call in calls:
            call.cancel()
        await until(lambda: server.arrival.num_waiting == 0)


async def test_bytes_that_are_no_request_for_health_are_refused_as_such(tmp_path: Path) -> None:
    async with tiny_server(tmp_path, server=ANY_PORT) as server, to(server) as channel:
        check: Any = channel.unary_unary(CHECK, bytes, HealthCheckResponse.FromString)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await check(b"\xff" * 10)
    assert (caught.value.code(), reason_of(caught.value)) == (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")


async def test_an_answer_comes_though_its_request_is_never_ended(tmp_path: Path) -> None:
    """A caller who keeps his side open past the one request is answered all the same."""
    async with tiny_server(tmp_path, server=ANY_PORT) as server, to(server) as channel:
        embed: Any = channel.stream_unary(EMBED, EmbedRequest.SerializeToString, EmbedResponse.FromString)
        call = embed()
        await call.write(EmbedRequest(audio=said("ann")))
        assert (await asyncio.wait_for(call, 10)).embedding.values
