"""Health for probes, who need no token; those who watch it never end by themselves, so they are counted."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from grpc import StatusCode
from grpc.aio import ServicerContext
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthServicer as Contract

from svc.errors import OverloadedError

# Clients that balance by health watch it once a connection.
MAX_WATCHERS = 128

ServingStatus = int  # HealthCheckResponse's; of it there are no types


class HealthServicer(Contract):  # type: ignore[misc]  # there are no types
    """grpc.health.v1, watched by at most so many at once. Lives on one event loop."""

    def __init__(self, max_watchers: int = MAX_WATCHERS) -> None:
        self.max_watchers = max_watchers
        self.num_watching = 0
        self._statuses: dict[str, ServingStatus] = {}
        self._changed = asyncio.Event()

    def set(self, statuses: dict[str, ServingStatus]) -> None:
        """By service, "" being the server as a whole; those who watch are told."""
        self._statuses |= statuses
        self._changed.set()
        self._changed = asyncio.Event()

    async def Check(self, request: HealthCheckRequest, context: ServicerContext[Any, Any]) -> HealthCheckResponse:
        if request.service not in self._statuses:
            await context.abort(StatusCode.NOT_FOUND, "no such service")
        return HealthCheckResponse(status=self._statuses[request.service])

    async def Watch(
        self, request: HealthCheckRequest, context: ServicerContext[Any, Any]
    ) -> AsyncIterator[HealthCheckResponse]:
        if self.num_watching >= self.max_watchers:
            message = f"{self.max_watchers} callers watch health, which is the limit; call Check, or retry in 10 s"
            raise OverloadedError(message, retry_after_s=10.0)
        self.num_watching += 1
        try:
            async for status in self._statuses_of(request.service):
                yield HealthCheckResponse(status=status)
        finally:
            self.num_watching -= 1

    async def _statuses_of(self, service: str) -> AsyncIterator[ServingStatus]:
        """The one of now, then each other one, for ever; what changes back before it was read is left out."""
        told: ServingStatus | None = None
        while True:
            changed = self._changed
            status = self._statuses.get(service, HealthCheckResponse.SERVICE_UNKNOWN)
            if status != told:
                yield status
                told = status
            await changed.wait()
