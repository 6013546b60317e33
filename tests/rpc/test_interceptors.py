"""The guards, through a real channel: errors, tokens, rates, admission, and nothing done for callers that left."""

import asyncio
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import StatusCode

from equivox.v1.audio_pb2 import Audio
from equivox.v1.embeddings_pb2 import EmbedRequest, EmbedResponse
from svc.errors import CallAbandonedError, DeadlinePassedError, ProfileNotFoundError
from svc.rpc.guards import Admission, Authentication, RateLimit
from svc.rpc.limits import TokenBuckets
from svc.rpc.telemetry import configure_logging
from tests.rpc.toy_server import Toy, open_admission, reason_of, retry_after_s, serving, stub_of
from tests.rpc.waiting import until

BLOCKING = EmbedRequest(audio=Audio(channel=1))
SECRET = "a secret nobody may read in a log"


@pytest.fixture(autouse=True)
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure_logging(stream)
    yield stream
    configure_logging()


@pytest.fixture
def toy() -> Toy:
    return Toy()


@pytest.fixture
def tokens(tmp_path: Path) -> Authentication:
    path = tmp_path / "tokens.toml"
    path.write_text('right = "acme"\nother = "globex"\n')
    return Authentication.from_file(path)


async def entered(toy: Toy) -> None:
    assert await asyncio.to_thread(toy.entered.acquire, timeout=10)


async def test_a_domain_error_reaches_the_caller_with_its_reason(toy: Toy) -> None:
    toy.error = ProfileNotFoundError("no profile 'ann'", field="profile_id")
    async with serving(toy) as address, stub_of(address) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Embed(EmbedRequest())
    assert caught.value.code() is StatusCode.NOT_FOUND
    assert caught.value.details() == "no profile 'ann'"
    assert reason_of(caught.value) == "PROFILE_NOT_FOUND"


async def test_a_bug_is_internal_and_findable_by_its_id_alone(toy: Toy, log: io.StringIO) -> None:
    toy.error = ZeroDivisionError("oops")
    async with serving(toy) as address, stub_of(address) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Embed(EmbedRequest(audio=Audio(container=SECRET.encode())))
    bug, call = (json.loads(line) for line in log.getvalue().splitlines())
    assert caught.value.code() is StatusCode.INTERNAL
    assert bug["call_id"] in (caught.value.details() or "")
    assert "ZeroDivisionError" in bug["exception"]
    assert (call["code"], call["reason"]) == ("INTERNAL", "BUG")
    assert SECRET not in log.getvalue()


@pytest.mark.parametrize("header", [None, "", "Bearer ", "Bearer wrong", "Basic right", "right", "bearer RIGHT"])
async def test_a_call_without_a_good_token_is_refused(toy: Toy, header: str | None, tokens: Authentication) -> None:
    async with serving(toy, guards=(tokens.guard,)) as address, stub_of(address) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Embed(EmbedRequest(), metadata=(("authorization", header),) if header is not None else ())
    assert caught.value.code() is StatusCode.UNAUTHENTICATED
    assert reason_of(caught.value) == "TOKEN_INVALID"
    assert not toy.answered


@pytest.mark.parametrize(("token", "tenant"), [("right", "acme"), ("other", "globex")])
async def test_the_tenant_comes_from_the_token(toy: Toy, tokens: Authentication, token: str, tenant: str) -> None:
    async with serving(toy, guards=(tokens.guard,)) as address, stub_of(address) as stub:
        answer = await stub.Embed(EmbedRequest(), metadata=(("authorization", f"Bearer {token}"),))
    assert answer.embedding.model_fingerprint == tenant


@pytest.mark.parametrize(
    ("content", "complaint"),
    [("", "holds no token"), ("a = 1", "token = "), ('a = ""', "token = "), ("a =", "tokens.toml")],
)
def test_a_broken_tokens_file_says_what_is_wrong(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(content)
    with pytest.raises(ValueError, match=complaint):
        Authentication.from_file(path)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (f'[tokens]\n"{SECRET}" = "acme"', r"entry 1 is empty or no text \(dict\)"),
        (f'ok = "acme"\n"{SECRET}" = ["acme"]', r"entry 2 .*\(list\)"),
        (f'["{SECRET}"]\n["{SECRET}"]', r"no TOML \(at line 2"),
    ],
)
def test_a_broken_tokens_file_is_refused_without_a_token(tmp_path: Path, content: str, place: str) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(content)
    with pytest.raises(ValueError, match=place) as caught:
        Authentication.from_file(path)
    assert SECRET not in str(caught.value)


async def test_a_tenant_past_its_rate_is_told_when_to_retry(toy: Toy) -> None:
    limit = RateLimit(TokenBuckets(0.1, 1))
    async with serving(toy, guards=(limit.guard,)) as address, stub_of(address) as stub:
        await stub.Embed(EmbedRequest())
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Embed(EmbedRequest())
    assert caught.value.code() is StatusCode.RESOURCE_EXHAUSTED
    assert reason_of(caught.value) == "RATE_LIMITED"
    assert 0 < retry_after_s(caught.value) <= 10


async def test_a_call_too_many_is_refused_and_told_when_to_retry(toy: Toy) -> None:
    admission = open_admission(1)
    async with serving(toy, admission=admission) as address, stub_of(address) as stub:
        running = stub.Embed(BLOCKING)
        await entered(toy)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Embed(EmbedRequest())
        toy.release.set()
        await running
        await stub.Embed(EmbedRequest())
    assert reason_of(caught.value) == "OVERLOADED"
    assert retry_after_s(caught.value) > 0


@pytest.mark.parametrize(("second_bytes", "let_in"), [(300, True), (600, False)])
async def test_bytes_too_many_beside_those_in_flight_are_refused_for_now(
    toy: Toy, second_bytes: int, let_in: bool
) -> None:
    admission = open_admission(8, max_bytes_in_flight=1_000)
    second = EmbedRequest(audio=Audio(container=bytes(second_bytes)))
    async with serving(toy, admission=admission) as address, stub_of(address) as stub:
        running = stub.Embed(EmbedRequest(audio=Audio(channel=1, container=bytes(500))))
        await entered(toy)
        if let_in:
            await stub.Embed(second)
        else:
            with pytest.raises(grpc.aio.AioRpcError, match="hold 5") as caught:
                await stub.Embed(second)
            assert caught.value.code() is StatusCode.RESOURCE_EXHAUSTED
            assert (reason_of(caught.value), retry_after_s(caught.value)) == ("OVERLOADED", 1.0)
        toy.release.set()
        await running
        await stub.Embed(second)
    assert admission.bytes_in_flight == 0


async def test_a_call_larger_than_all_that_may_be_in_flight_gets_in_alone(toy: Toy) -> None:
    async with serving(toy, admission=open_admission(8, max_bytes_in_flight=10)) as address, stub_of(address) as stub:
        await stub.Embed(EmbedRequest(audio=Audio(container=bytes(500))))
    assert len(toy.answered) == 1


async def test_bytes_that_are_no_request_are_refused_as_such(toy: Toy) -> None:
    async with serving(toy) as address, grpc.aio.insecure_channel(address) as channel:
        send: Any = channel.unary_unary("/equivox.v1.Embeddings/Embed", bytes, EmbedResponse.FromString)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await send(b"\xff" * 10)
    assert (caught.value.code(), reason_of(caught.value)) == (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert not toy.answered


def bare_call(channel: grpc.aio.Channel) -> grpc.aio.StreamUnaryCall[bytes, EmbedResponse]:
    """A call of Embed whose request is still to be written."""
    open_call: Any = channel.stream_unary("/equivox.v1.Embeddings/Embed", bytes, EmbedResponse.FromString)
    call: grpc.aio.StreamUnaryCall[bytes, EmbedResponse] = open_call()
    return call


async def test_a_call_without_a_token_is_refused_before_its_request_comes(toy: Toy, tokens: Authentication) -> None:
    async with serving(toy, guards=(tokens.guard,)) as address, grpc.aio.insecure_channel(address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asyncio.wait_for(bare_call(channel), 10)
    assert (caught.value.code(), reason_of(caught.value)) == (StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")


@pytest.mark.parametrize("admission", [Admission(1), open_admission(0)], ids=["not ready", "full"])
async def test_what_cannot_be_let_in_now_is_refused_before_its_request_comes(toy: Toy, admission: Admission) -> None:
    async with serving(toy, admission=admission) as address, grpc.aio.insecure_channel(address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asyncio.wait_for(bare_call(channel), 10)
    assert reason_of(caught.value) in {"NOT_READY", "OVERLOADED"}


@pytest.mark.parametrize("num_bytes", [0, 2**23])
async def test_who_may_not_call_is_told_so_whatever_he_sends(toy: Toy, tokens: Authentication, num_bytes: int) -> None:
    request = EmbedRequest(audio=Audio(container=bytes(num_bytes)))
    async with serving(toy, guards=(tokens.guard,)) as address, stub_of(address) as stub:
        for _ in range(5):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Embed(request)
            assert (caught.value.code(), reason_of(caught.value)) == (StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")


async def test_a_call_whose_request_does_not_come_is_ended_and_holds_no_slot_meanwhile(toy: Toy) -> None:
    admission = open_admission(1)
    async with (
        serving(toy, admission=admission, arrival_s=0.5) as address,
        grpc.aio.insecure_channel(address) as channel,
        stub_of(address) as stub,
    ):
        waiting = bare_call(channel)
        await stub.Embed(EmbedRequest())
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asyncio.wait_for(waiting, 10)
    assert (caught.value.code(), reason_of(caught.value)) == (StatusCode.DEADLINE_EXCEEDED, "STREAM_IDLE")


async def test_a_call_that_ends_without_a_request_is_told_so(toy: Toy) -> None:
    async with serving(toy) as address, grpc.aio.insecure_channel(address) as channel:
        call = bare_call(channel)
        await call.done_writing()
        with pytest.raises(grpc.aio.AioRpcError, match="without a request") as caught:
            await call
    assert (caught.value.code(), reason_of(caught.value)) == (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")


async def test_no_call_gets_in_before_warm_up(toy: Toy) -> None:
    async with serving(toy, admission=Admission(1, max_bytes_in_flight=1)) as address, stub_of(address) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Embed(EmbedRequest())
    assert caught.value.code() is StatusCode.UNAVAILABLE
    assert reason_of(caught.value) == "NOT_READY"


async def test_work_of_a_cancelled_call_is_told_and_its_slot_freed(toy: Toy) -> None:
    admission = open_admission(1)
    async with serving(toy, admission=admission) as address, stub_of(address) as stub:
        running = stub.Embed(BLOCKING)
        await entered(toy)
        running.cancel()
        await asyncio.wait_for(admission.idle.wait(), 10)
        toy.release.set()
        await stub.Embed(EmbedRequest())
    assert len(toy.abandoned) == 1
    assert len(toy.answered) == 1


async def test_a_call_cancelled_before_a_thread_is_free_never_begins(toy: Toy) -> None:
    admission = open_admission(64)
    async with serving(toy, admission=admission) as address, stub_of(address) as stub:
        blocking = [stub.Embed(BLOCKING) for _ in range(2)]  # as many as the toy has threads
        await entered(toy)
        await entered(toy)
        waiting = stub.Embed(EmbedRequest())
        await until(lambda: admission.num_running == 3)
        waiting.cancel()
        await until(lambda: admission.num_running == 2)
        toy.release.set()
        await asyncio.gather(*blocking)
    assert (len(toy.answered), toy.abandoned) == (2, [])


async def test_a_deadline_reaches_the_threads_that_work_for_the_call(toy: Toy) -> None:
    async with serving(toy) as address, stub_of(address) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Embed(BLOCKING, timeout=0.2)
        toy.release.set()
    assert caught.value.code() is StatusCode.DEADLINE_EXCEEDED
    assert toy.abandoned == ["default"]


@pytest.mark.parametrize(
    ("timeout_s", "code", "reason"),
    [
        (0.5, "DEADLINE_EXCEEDED", "DEADLINE_PASSED"),
        (600.0, "CANCELLED", "CALL_ABANDONED"),
        (None, "CANCELLED", "CALL_ABANDONED"),
    ],
)
async def test_a_deadline_that_passes_is_not_counted_as_a_callers_change_of_mind(
    toy: Toy, log: io.StringIO, timeout_s: float | None, code: str, reason: str
) -> None:
    async with serving(toy) as address, stub_of(address) as stub:
        call = stub.Embed(BLOCKING, timeout=timeout_s)
        await entered(toy)
        if code == "CANCELLED":
            call.cancel()
        await until(lambda: bool(log.getvalue()))
    line = json.loads(log.getvalue())
    assert (line["code"], line["reason"]) == (code, reason)


@pytest.mark.parametrize(
    ("error", "code"),
    [(CallAbandonedError, StatusCode.CANCELLED), (DeadlinePassedError, StatusCode.DEADLINE_EXCEEDED)],
)
async def test_abandoned_work_answers_why_it_was_abandoned(
    toy: Toy, error: type[CallAbandonedError], code: StatusCode
) -> None:
    toy.error = error("gone")
    async with serving(toy) as address, stub_of(address) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Embed(EmbedRequest())
    assert caught.value.code() is code


async def test_every_call_leaves_one_line_without_its_content(toy: Toy, log: io.StringIO) -> None:
    async with serving(toy) as address, stub_of(address) as stub:
        await stub.Embed(EmbedRequest(audio=Audio(container=SECRET.encode())))
    line = json.loads(log.getvalue())
    assert (line["method"], line["code"], line["tenant"]) == ("Embeddings.Embed", "OK", "default")
    assert line["elapsed_ms"] > 0
    assert SECRET not in log.getvalue()
