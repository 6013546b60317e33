"""One RPC under way: who asks, whether they still wait, and what is to be told about it afterwards."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import grpc
from grpc.aio import ServicerContext

from svc.backends.call_scope import CallScope

DEFAULT_TENANT = "default"


@dataclass(slots=True, kw_only=True)
class Call:
    """Filled in by the guards and servicers while the call runs; worker threads see the same object."""

    method: str  # /equivox.v1.Verification/Verify
    context: ServicerContext[Any, Any]
    metadata: dict[str, str] = field(default_factory=dict)
    call_id: str = field(default_factory=lambda: uuid4().hex[:16])
    tenant: str = DEFAULT_TENANT
    request: bytes = b""  # as received; empty for a stream, and once it is parsed
    request_bytes: int = 0
    receiving_s: float = 0.0
    scope: CallScope = field(default_factory=CallScope)
    streaming: bool = False  # its requests are a stream
    audio_s: float = 0.0  # speech decoded for it so far
    work_s: float = 0.0  # of a live stream, which lasts as long as its audio whatever it costs
    code: grpc.StatusCode = grpc.StatusCode.OK
    reason: str = ""

    @property
    def name(self) -> str:
        """Verification.Verify"""
        return self.method.rpartition(".")[2].replace("/", ".")

    def taken_request(self) -> bytes:
        """The request, which is not kept: as parsed it is there a second time."""
        request, self.request = self.request, b""
        return request


current: ContextVar[Call | None] = ContextVar("current", default=None)


def tenant_of_call() -> str:
    """Tenant of the call this thread or task works for."""
    call = current.get()
    return call.tenant if call else DEFAULT_TENANT


def note_audio(duration_s: float) -> None:
    """Remembers decoded seconds for the real-time factor."""
    if call := current.get():
        call.audio_s += duration_s
