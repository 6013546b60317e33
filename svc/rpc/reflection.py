"""Reflection for those who look around; a stream of theirs that asks no more ends by itself."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from typing import Any

from grpc.aio import ServicerContext
from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from svc.errors import StreamIdleError

# A command line asks on one stream and closes it.
MAX_REFLECTIONS = 16


class ReflectionServicer(reflection.aio.ReflectionServicer):  # type: ignore[name-defined, misc]  # the stubs lack it
    """grpc.reflection.v1alpha of these services."""

    def __init__(self, services: Sequence[str], *, idle_timeout_s: float) -> None:
        super().__init__(services)
        self.idle_timeout_s = idle_timeout_s

    def ServerReflectionInfo(
        self, requests: AsyncIterator[ServerReflectionRequest], context: ServicerContext[Any, Any]
    ) -> AsyncIterable[ServerReflectionResponse]:
        answers: AsyncIterable[ServerReflectionResponse]
        answers = super().ServerReflectionInfo(self._in_time(requests), context)
        return answers

    async def _in_time(
        self, requests: AsyncIterator[ServerReflectionRequest]
    ) -> AsyncIterator[ServerReflectionRequest]:
        """Raises StreamIdleError when the next one does not come within `idle_timeout_s`."""
        while True:
            try:
                async with asyncio.timeout(self.idle_timeout_s):
                    request = await anext(requests)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise StreamIdleError(f"nothing was asked for {self.idle_timeout_s:g} s: open another stream") from None
            yield request
