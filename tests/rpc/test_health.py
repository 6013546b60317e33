"""Those who watch health hear of every change; they are counted, and those who ask once are not."""

from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc

from svc.rpc.server import Server
from tests.rpc.conftest import tiny_server
from tests.rpc.test_server import ANY_PORT, NOT_SERVING, SERVING, to
from tests.rpc.toy_server import reason_of, retry_after_s
from tests.rpc.waiting import until

ASK = health_pb2.HealthCheckRequest()
UNHEARD_OF = health_pb2.HealthCheckRequest(service="nobody")
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> Any:  # noqa: ANN401 - the generated code has no types
    return health_pb2_grpc.HealthStub(channel)


async def test_a_watcher_too_many_is_refused_until_another_leaves(tmp_path: Path) -> None:
    async with tiny_server(tmp_path, server=ANY_PORT) as server, to(server) as channel:
        server.health.max_watchers = 1
        stub: Any = health_pb2_grpc.HealthStub(channel)
        first = stub.Watch(ASK)
        assert (await first.read()).status == SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Watch(ASK).read()
        assert (await stub.Check(ASK)).status == SERVING
        first.cancel()
        await until(lambda: server.health.num_watching == 0)
        assert (await stub.Watch(ASK).read()).status == SERVING
    assert (caught.value.code(), reason_of(caught.value)) == (StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    assert retry_after_s(caught.value) == 10


async def test_who_watches_hears_of_every_change(server: Server, stub: Any) -> None:  # noqa: ANN401
    watching = stub.Watch(ASK)
    heard = [(await watching.read()).status]
    for status in (NOT_SERVING, SERVING):
        server.health.set({"": status})
        heard.append((await watching.read()).status)
    assert heard == [SERVING, NOT_SERVING, SERVING]


async def test_a_service_nobody_knows_is_not_found_and_watched_until_it_is(server: Server, stub: Any) -> None:  # noqa: ANN401
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Check(UNHEARD_OF)
    watching = stub.Watch(UNHEARD_OF)
    assert (await watching.read()).status == SERVICE_UNKNOWN
    server.health.set({"nobody": SERVING})
    assert (await watching.read()).status == SERVING
    assert caught.value.code() is StatusCode.NOT_FOUND
