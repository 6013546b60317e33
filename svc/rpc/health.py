"""Health for probes, who need no token; those who watch it never end by themselves, so they are counted."""

from typing import Any

from grpc.aio import ServicerContext
from grpc_health.v1 import health
from grpc_health.v1.health_pb2 import HealthCheckRequest

from svc.errors import OverloadedError
from svc.rpc.status import abort

# Clients that balance by health watch it once a connection.
MAX_WATCHERS = 128


class HealthServicer(health.aio.HealthServicer):  # type: ignore[name-defined, misc]  # the stubs lack it
    """grpc.health.v1, watched by at most so many at once."""

    def __init__(self, max_watchers: int = MAX_WATCHERS) -> None:
        super().__init__()
        self.max_watchers = max_watchers
        self.num_watching = 0

    async def Watch(self, request: HealthCheckRequest, context: ServicerContext[Any, Any]) -> None:
        if self.num_watching >= self.max_watchers:
            message = f"{self.max_watchers} callers watch health, which is the limit; call Check, or retry in 10 s"
            await abort(context, OverloadedError(message, retry_after_s=10.0))
        self.num_watching += 1
        try:
            await super().Watch(request, context)
        finally:
            self.num_watching -= 1
