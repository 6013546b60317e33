"""How every call passes its guards before a servicer sees it.

GuardInterceptor nests them, first outermost, and parses the request inside them all, so that a call that is refused
costs no parsing. What each of them asks is in svc/rpc/guards.py.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
from grpc import HandlerCallDetails, RpcMethodHandler
from grpc.aio import ServicerContext

from svc.errors import StreamIdleError
from svc.rpc.call import Call, current
from svc.rpc.guards import Guard
from svc.rpc.parsing import RequestParser, request_type

# Generic in the type stubs only.
if TYPE_CHECKING:
    Handler = RpcMethodHandler[Any, Any]
    Interceptor = grpc.aio.ServerInterceptor[Any, Any]
else:
    Handler = RpcMethodHandler
    Interceptor = grpc.aio.ServerInterceptor
HEALTH, SYSTEM = "/grpc.health.v1.", "/grpc."


class GuardInterceptor(Interceptor):
    """Runs `guards` around the calls of our services, `system_guards` around reflection, `health_guards` around health:
    probes must work without a token, without a free slot and before the models are loaded.
    """

    def __init__(
        self,
        guards: Sequence[Guard],
        *,
        system_guards: Sequence[Guard],
        health_guards: Sequence[Guard],
        parser: RequestParser,
        unread_s: float,
    ) -> None:
        """`unread_s`: how long a stream's caller may leave an answer unread."""
        self.unread_s = unread_s
        # The first that fits.
        self.guards_by_prefix = {HEALTH: health_guards, SYSTEM: system_guards, "/": guards}
        self.parser = parser
        self._handlers: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: HandlerCallDetails,
    ) -> Handler:
        method = handler_call_details.method
        if method not in self._handlers:
            handler = await continuation(handler_call_details)
            if handler is None:
                return handler
            guards = next(guards for prefix, guards in self.guards_by_prefix.items() if method.startswith(prefix))
            self._handlers[method] = guarded(handler, guards, method, parser=self.parser, unread_s=self.unread_s)
        return self._handlers[method]


def guarded(
    handler: Handler, guards: Sequence[Guard], method: str, *, parser: RequestParser, unread_s: float
) -> Handler:
    """The handler with its behaviour inside the guards. To gRPC every call is a stream of requests: it receives none
    before it is asked to, by the guard that waits for a single request or by the servicer of a stream. Of a stream of
    answers none may wait longer than `unread_s` for its caller.
    """
    behaviour: Any = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    parse = parser.of(request_type(method))

    @asynccontextmanager
    async def begun(requests: Any, context: Any) -> AsyncIterator[Any]:  # noqa: ANN401 - any message
        call = call_of(method, context, streaming=handler.request_streaming)
        async with entering(guards, call):
            yield behaviour(requests if call.streaming else parse(call.taken_request()), context)

    async def one_answer(requests: Any, context: Any) -> Any:  # noqa: ANN401 - any message
        async with begun(requests, context) as answer:
            return await answer

    async def many_answers(requests: Any, context: Any) -> None:  # noqa: ANN401 - any message
        # Closed, not left to the garbage collector: what a stream holds is freed when its caller is gone.
        async with begun(requests, context) as answers, aclosing(answers):
            async for answer in answers:
                await written(answer, context, within_s=unread_s)

    deserialise = parse if handler.request_streaming else None
    if handler.response_streaming:
        return grpc.stream_stream_rpc_method_handler(many_answers, deserialise, handler.response_serializer)
    return grpc.stream_unary_rpc_method_handler(one_answer, deserialise, handler.response_serializer)


async def written(response: Any, context: Any, *, within_s: float) -> None:  # noqa: ANN401 - any message
    """Sends an answer. Raises StreamIdleError when its caller has read none for so long, which holds the next one up:
    pings tell only that his machine lives.
    """
    try:
        async with asyncio.timeout(within_s):
            await context.write(response)
    except TimeoutError:
        raise StreamIdleError(f"nothing was read for {within_s:g} s") from None


def call_of(method: str, context: ServicerContext[Any, Any], *, streaming: bool) -> Call:
    """A fresh call, its request still to come. Binary metadata is of no interest to any guard."""
    pairs = context.invocation_metadata() or ()
    return Call(
        method=method,
        context=context,
        metadata={key: value for key, value in pairs if isinstance(value, str)},
        streaming=streaming,
    )


@asynccontextmanager
async def entering(guards: Sequence[Guard], call: Call) -> AsyncIterator[None]:
    """All guards, first outermost, with `call` as the current one."""
    current.set(call)  # each call has a task, and so a context, of its own
    async with AsyncExitStack() as stack:
        for guard in guards:
            await stack.enter_async_context(guard(call))
        yield
