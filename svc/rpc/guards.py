"""What every call is asked before a servicer sees it: errors told, who asks, how often, how much, until when.

Each is a guard, an async context manager around the call; svc/rpc/interceptors.py nests them. One of them, in
svc/rpc/arrival.py, waits for the request: those before it refuse calls whose bytes were never received, those after it
know how many there are.
"""

import asyncio
import hashlib
import hmac
import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import grpc
from grpc import StatusCode

from svc.backends.call_scope import CallScope, current_call
from svc.errors import (
    NotReadyError,
    OverloadedError,
    RateLimitedError,
    ServiceError,
    UnauthenticatedError,
)
from svc.rpc.call import Call
from svc.rpc.limits import TokenBuckets
from svc.rpc.status import abort, status_code_of
from svc.rpc.telemetry import log

Guard = Callable[[Call], AbstractAsyncContextManager[None]]
# A caller cancels at its deadline, which is a little before the server's: his clock starts first, and gRPC rounds what
# it tells the server up by at most one in a hundred.
DEADLINE_SLACK_S = 0.05


@asynccontextmanager
async def reporting_errors(call: Call) -> AsyncIterator[None]:
    """Ends the call with the status of a domain error. A bug is INTERNAL, with an id that finds it in the log."""
    allowed_s = call.context.time_remaining()
    try:
        yield
    except ServiceError as error:
        call.code, call.reason = status_code_of(error), error.reason
        await abort(call.context, error)
    except grpc.aio.AbortError:
        call.code, call.reason = StatusCode.UNKNOWN, "ABORTED_BY_HANDLER"
        raise
    except asyncio.CancelledError:
        call.code, call.reason = StatusCode.CANCELLED, "CALL_ABANDONED"
        if allowed_s is not None and (call.context.time_remaining() or 0) <= DEADLINE_SLACK_S + allowed_s / 100:
            call.code, call.reason = StatusCode.DEADLINE_EXCEEDED, "DEADLINE_PASSED"
        raise
    except Exception as error:
        call.code, call.reason = StatusCode.INTERNAL, "BUG"
        log.error("bug", method=call.name, call_id=call.call_id, error=type(error).__name__, exc_info=error)
        await call.context.abort(StatusCode.INTERNAL, f"internal error {call.call_id}; the server's log has the cause")


class Authentication:
    """Bearer token -> tenant. Holds digests only, so that a memory dump shows no token."""

    def __init__(self, tenants_by_digest: dict[bytes, str]) -> None:
        self.tenants_by_digest = tenants_by_digest

    @classmethod
    def from_file(cls, path: Path) -> "Authentication":
        """Reads a TOML table token = "tenant". Raises ValueError naming the file and the fault, never a token."""
        try:
            table = tomllib.loads(path.read_text())
        except tomllib.TOMLDecodeError as error:
            # Only where it is: what it is may quote a token.
            raise ValueError(f"tokens file {path} is no TOML ({str(error).rpartition('(')[2]}") from None
        except (OSError, ValueError) as error:
            raise ValueError(f"tokens file {path}: {error}") from error
        for number, tenant in enumerate(table.values(), start=1):
            if not (isinstance(tenant, str) and tenant):
                what = f"entry {number} is empty or no text ({type(tenant).__name__})"
                raise ValueError(f'tokens file {path}: each line must read token = "tenant", {what}')
        if not table:
            raise ValueError(f"tokens file {path} holds no token, so nobody could call; add one or unset tokens_file")
        return cls({digest_of(token): tenant for token, tenant in table.items()})

    @asynccontextmanager
    async def guard(self, call: Call) -> AsyncIterator[None]:
        call.tenant = self.tenant_of(call.metadata.get("authorization", ""))
        yield

    def tenant_of(self, header: str) -> str:
        """Raises UnauthenticatedError. Takes the same time for every wrong token."""
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise UnauthenticatedError("send metadata authorization: Bearer TOKEN")
        offered, found = digest_of(token), None
        for digest, tenant in self.tenants_by_digest.items():
            if hmac.compare_digest(digest, offered):
                found = tenant
        if found is None:
            raise UnauthenticatedError("the bearer token is not one of this server's")
        return found


def digest_of(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


class RateLimit:
    """Calls a second per tenant."""

    def __init__(self, buckets: TokenBuckets) -> None:
        self.buckets = buckets

    @asynccontextmanager
    async def guard(self, call: Call) -> AsyncIterator[None]:
        if wait_s := self.buckets.take(call.tenant):
            raise RateLimitedError(
                f"the tenant's rate of {self.buckets.rate_per_s:g} calls a second is used up; retry in {wait_s:.2f} s",
                retry_after_s=wait_s,
            )
        yield


class Admission:
    """At most so many calls, and bytes of requests, at once; none before the models are loaded or while the server
    drains. However large it is, one call alone is let in.
    """

    def __init__(self, max_concurrent_calls: int, *, max_bytes_in_flight: int = 0, what: str = "calls") -> None:
        self.what = what
        self.max_concurrent_calls = max_concurrent_calls
        self.max_bytes_in_flight = max_bytes_in_flight
        self.num_running = 0
        self.bytes_in_flight = 0
        self.idle = asyncio.Event()
        self.idle.set()
        self.closed_because = "the server is still loading its models"

    @asynccontextmanager
    async def early_guard(self, call: Call) -> AsyncIterator[None]:
        """Before its request is received: refuses what could not be let in now, and holds nothing."""
        self._check(call)
        yield

    @asynccontextmanager
    async def guard(self, call: Call) -> AsyncIterator[None]:
        self._check(call)
        self.num_running += 1
        self.bytes_in_flight += call.request_bytes
        self.idle.clear()
        try:
            yield
        finally:
            self.num_running -= 1
            self.bytes_in_flight -= call.request_bytes
            if not self.num_running:
                self.idle.set()

    def _check(self, call: Call) -> None:
        if self.closed_because:
            raise NotReadyError(f"{self.closed_because}; retry in 1 s", retry_after_s=1.0)
        if self.num_running >= self.max_concurrent_calls:
            raise OverloadedError(
                f"{self.num_running} {self.what} are under way, the limit is {self.max_concurrent_calls}; "
                "retry in 0.5 s",
                retry_after_s=0.5,
            )
        if self.bytes_in_flight and self.bytes_in_flight + call.request_bytes > self.max_bytes_in_flight:
            raise OverloadedError(
                f"calls under way hold {self.bytes_in_flight} bytes and this one {call.request_bytes}, the limit is "
                f"{self.max_bytes_in_flight}; retry in 1 s",
                retry_after_s=1.0,
            )


@asynccontextmanager
async def scoping(call: Call) -> AsyncIterator[None]:
    """Tells the threads that work for the call when nobody waits for it any more."""
    remaining_s = call.context.time_remaining()
    call.scope = CallScope() if remaining_s is None else CallScope.lasting(remaining_s)
    current_call.set(call.scope)
    try:
        yield
    finally:
        call.scope.cancelled.set()
