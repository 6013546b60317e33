"""How long, and for how many at once, the server waits for requests: who has sent none yet holds one of the calls that
gRPC lets there be, whoever he is.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from svc.errors import InvalidRequestError, OverloadedError, StreamIdleError
from svc.rpc.call import Call

# Where few calls may be worked on at once, a tenant's burst of them still comes in.
MIN_ARRIVING_OF_TENANT = 64


class Arrival:
    """A guard that waits for the request of a call that is not a stream, so long and no longer, and for so many of one
    tenant, and twice as many of all, at once.
    """

    def __init__(self, within_s: float, *, max_of_tenant: int) -> None:
        self.within_s = within_s
        self.max_of_tenant = max_of_tenant
        self._of_tenant = Counter[str]()

    @property
    def max_waiting(self) -> int:
        """Of all tenants together."""
        return 2 * self.max_of_tenant

    @property
    def num_waiting(self) -> int:
        return self._of_tenant.total()

    @asynccontextmanager
    async def guard(self, call: Call) -> AsyncIterator[None]:
        if not call.streaming:
            with self._counting(call.tenant):
                await receive(call, asyncio.timeout(self.within_s))
        try:
            yield
        finally:
            # Work that was cancelled keeps its call while it waits in a queue.
            call.request = b""

    @contextmanager
    def _counting(self, tenant: str) -> Iterator[None]:
        if self._of_tenant[tenant] >= self.max_of_tenant or self.num_waiting >= self.max_waiting:
            raise OverloadedError(
                f"the requests of {self._of_tenant[tenant]} calls of this tenant, {self.num_waiting} of all, are still "
                f"on their way, the limits are {self.max_of_tenant} and {self.max_waiting}; retry in 0.5 s",
                retry_after_s=0.5,
            )
        self._of_tenant[tenant] += 1
        try:
            yield
        finally:
            self._of_tenant[tenant] -= 1


class ProbeArrival:
    """The same for health, which anybody may ask. Nobody is refused: when too many wait, the first of them is given up.
    A probe sends its request at once, and so is not held up by any number that send none.
    """

    def __init__(self, within_s: float, *, max_waiting: int) -> None:
        self.within_s = within_s
        self.max_waiting = max_waiting
        self._waiting: dict[asyncio.Timeout, None] = {}  # first come, first

    @property
    def num_waiting(self) -> int:
        return len(self._waiting)

    @asynccontextmanager
    async def guard(self, call: Call) -> AsyncIterator[None]:
        if len(self._waiting) >= self.max_waiting:
            first = next(iter(self._waiting))
            del self._waiting[first]
            first.reschedule(asyncio.get_running_loop().time())
        patience = asyncio.timeout(self.within_s)
        self._waiting[patience] = None
        try:
            await receive(call, patience)
        finally:
            self._waiting.pop(patience, None)
        yield


async def receive(call: Call, patience: asyncio.Timeout) -> None:
    """The call's one request. Raises StreamIdleError when patience ends before, InvalidRequestError for a call that
    ends without.
    """
    began_s = time.perf_counter()
    try:
        async with patience:
            request = await call.context.read()
    except TimeoutError:
        waited_s = time.perf_counter() - began_s
        raise StreamIdleError(f"the request has not come within {waited_s:.1f} s") from None
    if not isinstance(request, bytes):  # grpc.aio.EOF
        raise InvalidRequestError("the call ended without a request")
    call.request, call.request_bytes = request, len(request)
    call.receiving_s = time.perf_counter() - began_s
