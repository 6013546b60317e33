"""Those who watch health are counted, and those who ask once are not."""

from typing import Any

import grpc
import pytest
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc

from svc.rpc.health import HealthServicer
from tests.rpc.toy_server import reason_of, retry_after_s
from tests.rpc.waiting import until

ASK = health_pb2.HealthCheckRequest()
SERVING = health_pb2.HealthCheckResponse.SERVING


async def test_a_watcher_too_many_is_refused_until_another_leaves() -> None:
    health, server = HealthServicer(max_watchers=1), grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        first = stub.Watch(ASK)
        assert (await first.read()).status == SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Watch(ASK).read()
        assert (await stub.Check(ASK)).status == SERVING
    assert (caught.value.code(), reason_of(caught.value)) == (StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    assert retry_after_s(caught.value) == 10
    await server.stop(None)
    await until(lambda: health.num_watching == 0)  # stopped calls are cancelled by tasks of their own
