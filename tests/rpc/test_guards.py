"""The guards as the server itself chains them: what is refused, what is counted, and what a servicer's threads see."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from google.rpc.error_details_pb2 import BadRequest
from grpc import StatusCode
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from equivox.v1.embeddings_pb2 import EmbedRequest
from equivox.v1.embeddings_pb2_grpc import EmbeddingsStub
from equivox.v1.transcription_pb2 import TranscribeResponse
from svc.backends.call_scope import CallScope, current_call
from svc.rpc.server import Server
from svc.types import FloatArray
from tests.rpc.conftest import tiny_server
from tests.rpc.speech import said
from tests.rpc.test_server import ANY_PORT, to
from tests.rpc.toy_server import detail_of, reason_of, refusal, retry_after_s
from tests.rpc.waiting import until

REQUEST = EmbedRequest(audio=said("ann"))
ACME, GLOBEX = ((("authorization", f"Bearer {token}"),) for token in ("one", "two"))


@asynccontextmanager
async def strict_server(folder: Path) -> AsyncIterator[Server]:
    """It wants a token and gives each tenant one call in ten seconds."""
    tokens = folder / "tokens.toml"
    tokens.write_text('one = "acme"\ntwo = "globex"\n')
    strict = replace(ANY_PORT, tokens_file=tokens, tenant_rate_per_s=0.1, tenant_burst=1)
    async with tiny_server(folder, server=strict) as server:
        yield server


async def counted(server: Server, code: str, reason: str) -> None:
    """Returns once one call and no more ended so; the caller may hear of it before it is counted."""
    value = server.metrics.registry.get_sample_value
    await until(lambda: value("equivox_calls_total", {"method": "Embeddings.Embed", "code": code}) == 1)
    assert value("equivox_errors_total", {"method": "Embeddings.Embed", "reason": reason}) == 1
    assert value("equivox_calls_in_flight") == 0


async def test_a_call_without_a_token_is_refused_and_counted(tmp_path: Path) -> None:
    async with strict_server(tmp_path) as server, to(server) as channel:
        stub: Any = EmbeddingsStub(channel)
        error = await refusal(stub.Embed(REQUEST))
        await counted(server, "UNAUTHENTICATED", "TOKEN_INVALID")
    assert (error.code(), reason_of(error)) == (StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")


async def test_a_tenants_second_call_is_refused_and_counted_and_another_tenant_is_not_held_up(tmp_path: Path) -> None:
    async with strict_server(tmp_path) as server, to(server) as channel:
        stub: Any = EmbeddingsStub(channel)
        await stub.Embed(REQUEST, metadata=ACME)
        error = await refusal(stub.Embed(REQUEST, metadata=ACME))
        await counted(server, "RESOURCE_EXHAUSTED", "RATE_LIMITED")
        await stub.Embed(REQUEST, metadata=GLOBEX)
    assert (error.code(), reason_of(error)) == (StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    assert 0 < retry_after_s(error) <= 10


async def test_a_callers_mistake_is_counted_by_its_reason(tmp_path: Path) -> None:
    async with tiny_server(tmp_path, server=ANY_PORT) as server, to(server) as channel:
        stub: Any = EmbeddingsStub(channel)
        await refusal(stub.Embed(EmbedRequest()))
        await counted(server, "INVALID_ARGUMENT", "AUDIO_MISSING")


async def test_reflection_wants_a_token_and_costs_none_of_the_tenants_rate(tmp_path: Path) -> None:
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    async with strict_server(tmp_path) as server, to(server) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        error = await refusal(stub.ServerReflectionInfo(iter([request])).read())
        for _ in range(2):
            answer = await stub.ServerReflectionInfo(iter([request]), metadata=ACME).read()
            assert answer.list_services_response.service
    assert (error.code(), reason_of(error)) == (StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")


async def test_the_threads_of_a_call_see_its_deadline_and_that_it_was_cancelled(tmp_path: Path) -> None:
    seen, release = list[CallScope | None](), threading.Event()
    async with tiny_server(tmp_path, server=ANY_PORT) as server, to(server) as channel:
        listener = server.application.voice_activity
        listen = listener.speech_probabilities

        def held_up(samples: FloatArray) -> FloatArray:
            seen.append(current_call.get())
            assert release.wait(10)
            return listen(samples)

        listener.speech_probabilities = held_up  # type: ignore[method-assign]
        stub: Any = EmbeddingsStub(channel)
        running = stub.Embed(REQUEST, timeout=60)
        await until(lambda: bool(seen))
        [scope] = seen
        assert scope is not None
        assert 0 < (scope.remaining_s or 0) < 61  # gRPC rounds up
        assert not scope.cancelled.is_set()
        running.cancel()
        await until(scope.cancelled.is_set)
        release.set()


async def test_a_streams_message_of_fields_too_many_is_refused_by_name(tmp_path: Path) -> None:
    async with tiny_server(tmp_path, server=ANY_PORT) as server, to(server) as channel:
        send: Any = channel.stream_stream("/equivox.v1.Transcription/Transcribe", bytes, TranscribeResponse.FromString)
        error = await refusal(send(iter([b"\x1a\x00" * 20_000])).read())
    assert (error.code(), reason_of(error)) == (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert detail_of(error, BadRequest).field_violations[0].field == "keep_alive"
