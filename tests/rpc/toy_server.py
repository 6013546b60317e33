"""A real grpc.aio server on a free port around a toy servicer, behind the real guards."""

import threading
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from equivox.errors import FailedCall
from equivox.v1.embeddings_pb2 import Embedding, EmbedRequest, EmbedResponse
from equivox.v1.embeddings_pb2_grpc import EmbeddingsServicer, EmbeddingsStub, add_EmbeddingsServicer_to_server
from svc.backends.call_scope import current_call
from svc.rpc.arrival import Arrival
from svc.rpc.call import tenant_of_call
from svc.rpc.guards import Admission, Guard, reporting_errors, scoping
from svc.rpc.interceptors import GuardInterceptor
from svc.rpc.offload import Offload
from svc.rpc.parsing import RequestParser
from svc.rpc.telemetry import Metrics
from tests.rpc.tiny_application import LIMITS

Detail = TypeVar("Detail", bound=Message)


@dataclass
class Toy(EmbeddingsServicer):
    """Answers with the tenant as fingerprint; a call whose channel is set blocks a thread until released."""

    offload: Offload = field(default_factory=lambda: Offload(light_threads=2, heavy_threads=1))
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    release: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None
    answered: list[str] = field(default_factory=list)
    abandoned: list[str] = field(default_factory=list)

    async def Embed(self, request: EmbedRequest, context: grpc.aio.ServicerContext[Any, Any]) -> EmbedResponse:
        return await self.offload.run(self.embed, request)

    def embed(self, request: EmbedRequest) -> EmbedResponse:
        if self.error:
            raise self.error
        if request.audio.channel:
            self.entered.release()
            assert self.release.wait(10)
        scope = current_call.get()
        abandoned = scope is None or scope.cancelled.is_set() or scope.remaining_s == 0
        (self.abandoned if abandoned else self.answered).append(tenant_of_call())
        return EmbedResponse(embedding=Embedding(model_fingerprint=tenant_of_call()))


def open_admission(max_concurrent_calls: int, *, max_bytes_in_flight: int = LIMITS.max_bytes) -> Admission:
    """One that lets calls in."""
    admission = Admission(max_concurrent_calls, max_bytes_in_flight=max_bytes_in_flight)
    admission.closed_because = ""
    return admission


@asynccontextmanager
async def serving(
    toy: Toy, *, admission: Admission | None = None, guards: tuple[Guard, ...] = (), arrival_s: float = 10.0
) -> AsyncIterator[str]:
    """The address of a server with the real guards, `guards` among them."""
    admission = admission or open_admission(64)
    before = [Metrics().observing, reporting_errors, *guards]
    interceptor = GuardInterceptor(
        [*before, admission.early_guard, Arrival(arrival_s, max_of_tenant=64).guard, admission.guard, scoping],
        system_guards=before,
        health_guards=[],
        parser=RequestParser(LIMITS.max_bytes),
        unread_s=10.0,
    )
    server = grpc.aio.server(interceptors=[interceptor])
    add_EmbeddingsServicer_to_server(toy, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        toy.release.set()
        await server.stop(None)
        toy.offload.close()


@asynccontextmanager
async def stub_of(address: str) -> AsyncIterator[Any]:
    """An Embeddings stub."""
    async with grpc.aio.insecure_channel(address) as channel:
        yield EmbeddingsStub(channel)


async def refusal(call: Awaitable[Any]) -> grpc.aio.AioRpcError:
    """The error that a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


def reason_of(error: FailedCall) -> str:
    """ErrorInfo.reason."""
    return str(detail_of(error, ErrorInfo).reason)


def retry_after_s(error: FailedCall) -> float:
    """RetryInfo.retry_delay."""
    return float(detail_of(error, RetryInfo).retry_delay.ToNanoseconds()) / 1e9


def detail_of(error: FailedCall, kind: type[Detail]) -> Detail:
    """The first detail of that kind."""
    trailing: dict[str, Any] = dict(error.trailing_metadata())
    found = kind()
    for detail in Status.FromString(trailing["grpc-status-details-bin"]).details:
        if detail.Unpack(found):
            return found
    raise AssertionError(f"no {kind.DESCRIPTOR.full_name} in {error}")
