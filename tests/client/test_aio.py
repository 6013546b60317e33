"""The asyncio client: the same calls as the blocking one."""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import grpc
import numpy as np
import pytest

from equivox import (
    AsyncClient,
    Client,
    Costs,
    Decision,
    DiarizeOptions,
    EquivoxError,
    ProfileId,
    TranscribeOptions,
    calls,
)
from equivox.aio import AsyncModelsClient, AsyncProfilesClient, AsyncSender
from equivox.channel import Connection
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


async def test_what_grpc_itself_cannot_send_is_an_error_of_ours(target: str) -> None:
    connection = Connection(target=target)
    # Past the check of a token, as metadata of any later kind might be.
    object.__setattr__(connection, "token", "line\nbreak")
    sender = AsyncSender(connection, timeout_s=5)
    with pytest.raises(EquivoxError) as failed:
        await sender.send(lambda: calls.embed(CLIP))
    await sender.close()
    assert failed.value.code is grpc.StatusCode.INTERNAL


TIMEOUT_S = 20.0
COSTS = Costs(prior=0.01, cost_false_accept=10, cost_false_reject=2, inconclusive_band=0.5)
DIARIZE = DiarizeOptions(num_speakers=2, with_embeddings=True, identify=True, policy="strict")
TRANSCRIBE = TranscribeOptions(partials=False, identify=True, policy=COSTS, second_pass=True, chunk_ms=250)
EXPIRY = datetime(2030, 1, 1, tzinfo=UTC)
CALLS: dict[str, Callable[[Any], Any]] = {
    "embed": lambda client: client.embed(CLIP, timeout_s=TIMEOUT_S),
    "verify": lambda client: client.verify(ProfileId("a"), CLIP, policy=COSTS, timeout_s=TIMEOUT_S),
    "identify": lambda client: client.identify(
        CLIP, max_matches=3, policy="strict", profile_ids=["a", "b"], timeout_s=TIMEOUT_S
    ),
    "diarize": lambda client: client.diarize(CLIP, DIARIZE, timeout_s=TIMEOUT_S),
    "transcribe": lambda client: client.transcribe(CLIP, TRANSCRIBE, timeout_s=TIMEOUT_S),
    "transcribe_all": lambda client: client.transcribe_all(CLIP, TRANSCRIBE, timeout_s=TIMEOUT_S),
    "profiles.create": lambda client: client.profiles.create(
        consent_reference="t", profile_id="a", display_name="A", expire_time=EXPIRY, timeout_s=TIMEOUT_S
    ),
    "profiles.enroll": lambda client: client.profiles.enroll(
        "a", [CLIP, b"RIFF"], idempotency_key="k", timeout_s=TIMEOUT_S
    ),
    "profiles.get": lambda client: client.profiles.get("a", timeout_s=TIMEOUT_S),
    "profiles.page": lambda client: client.profiles.page(page_size=7, page_token="1", timeout_s=TIMEOUT_S),
    "profiles.list": lambda client: client.profiles.list(page_size=7, timeout_s=TIMEOUT_S),
    "profiles.delete": lambda client: client.profiles.delete("a", timeout_s=TIMEOUT_S),
    "profiles.export": lambda client: client.profiles.export("a", timeout_s=TIMEOUT_S),
    "models.list": lambda client: client.models.list(timeout_s=TIMEOUT_S),
    "models.card": lambda client: client.models.card("m", timeout_s=TIMEOUT_S),
    "models.fairness_report": lambda client: client.models.fairness_report("m", timeout_s=TIMEOUT_S),
}


def public_methods(kind: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}


def test_no_call_is_left_out_of_the_comparison() -> None:
    methods = public_methods(Client) - {"close", "healthy", "wait_until_healthy"}
    methods |= {f"profiles.{name}" for name in public_methods(ProfilesClient)}
    methods |= {f"models.{name}" for name in public_methods(ModelsClient)}
    assert methods == CALLS.keys()


@pytest.mark.parametrize("name", CALLS)
async def test_both_clients_send_and_return_the_same(
    async_client: AsyncClient, client: Client, recorder: Recorder, name: str
) -> None:
    returned = CALLS[name](client)
    expected = list(returned) if isinstance(returned, Iterator) else returned
    sent, recorder.requests = recorder.requests, []
    returned = CALLS[name](async_client)
    answered = [each async for each in returned] if isinstance(returned, AsyncIterator) else await returned
    assert answered == expected
    assert recorder.requests == sent != []
    assert max(recorder.time_remaining_s) <= TIMEOUT_S + 1  # less than any default


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
