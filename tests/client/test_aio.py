"""The asyncio client: the same calls as the blocking one."""

import inspect
from collections.abc import AsyncIterator

import grpc
import numpy as np
import pytest

from equivox import AsyncClient, Client, Decision, DiarizeOptions, EquivoxError, ProfileId
from equivox.aio import AsyncModelsClient, AsyncProfilesClient
from equivox.client import ModelsClient, ProfilesClient
from tests.client.toy_server import Recorder

CLIP = (np.zeros(16000, np.int16), 16000)


@pytest.fixture
async def async_client(target: str) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(target) as client:
        yield client


@pytest.mark.parametrize(
    ("blocking", "awaited"),
    [(Client, AsyncClient), (ProfilesClient, AsyncProfilesClient), (ModelsClient, AsyncModelsClient)],
)
def test_both_clients_take_the_same_arguments(blocking: type, awaited: type) -> None:
    for name, method in inspect.getmembers(blocking, inspect.isfunction):
        if not name.startswith("_") or name == "__init__":
            parameters = inspect.signature(getattr(awaited, name)).parameters
            expected = inspect.signature(method).parameters
            assert [(p.name, p.default) for p in parameters.values()] == [
                (p.name, p.default) for p in expected.values()
            ]


async def test_calls_return_the_same_dataclasses(async_client: AsyncClient, client: Client) -> None:
    assert await async_client.embed(CLIP) == client.embed(CLIP)
    assert await async_client.identify(CLIP) == client.identify(CLIP)
    assert await async_client.diarize(CLIP, DiarizeOptions(num_speakers=2)) == client.diarize(CLIP)
    assert (await async_client.verify(ProfileId("a"), CLIP)).decision is Decision.INCONCLUSIVE


async def test_profiles_and_models_answer(async_client: AsyncClient, client: Client) -> None:
    profile = await async_client.profiles.create(consent_reference="t")
    assert profile == await async_client.profiles.get("anna") == client.profiles.get("anna")
    assert (await async_client.profiles.enroll("anna", [CLIP])).profile == profile
    assert [p.profile_id async for p in async_client.profiles.list()] == ["p0", "p1", "p2"]
    assert await async_client.profiles.delete("anna") == 2
    assert await async_client.profiles.export("anna") == client.profiles.export("anna")
    assert await async_client.models.list() == client.models.list()
    assert await async_client.models.card("campplus") == "a = 1"
    assert (await async_client.models.fairness_report("campplus")).report_json == '{"form": 2}'


async def test_a_failure_is_the_same_error(async_client: AsyncClient, recorder: Recorder) -> None:
    recorder.failures = [grpc.StatusCode.NOT_FOUND]
    with pytest.raises(EquivoxError) as caught:
        await async_client.profiles.get("nobody")
    assert caught.value.code is grpc.StatusCode.NOT_FOUND


async def test_an_idempotent_call_is_retried(async_client: AsyncClient, recorder: Recorder) -> None:
    recorder.failures = [grpc.StatusCode.UNAVAILABLE]
    await async_client.embed(CLIP)
    assert len(recorder.requests) == 2


async def test_health_is_awaited(async_client: AsyncClient) -> None:
    await async_client.wait_until_healthy(timeout_s=5)
    assert not await async_client.healthy("equivox.v1.Diarization")
    with pytest.raises(TimeoutError):
        await async_client.wait_until_healthy("equivox.v1.Diarization", timeout_s=0.2)
