"""EquivoxError from google.rpc details."""

import pickle

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from equivox import Client, EquivoxError
from equivox.errors import DETAILS_KEY, read_error
from tests.client.toy_server import Recorder


def status_with(code: grpc.StatusCode, *details: Message) -> grpc.Status:
    packed = [Any() for _ in details]
    for box, detail in zip(packed, details, strict=True):
        box.Pack(detail)
    return rpc_status.to_status(status_pb2.Status(code=code.value[0], message="what to do", details=packed))


def test_reason_field_and_wait_come_from_the_details(client: Client, recorder: Recorder) -> None:
    violation = error_details_pb2.BadRequest.FieldViolation(field="test.audio", description="d")
    recorder.failures = [
        status_with(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            error_details_pb2.RetryInfo(retry_delay=Duration(seconds=1, nanos=500_000_000)),
            error_details_pb2.ErrorInfo(reason="OVERLOADED", domain="equivox"),
            error_details_pb2.BadRequest(field_violations=[violation]),
        )
    ]
    with pytest.raises(EquivoxError) as caught:
        client.verify(b"RIFF", b"RIFF")
    error = caught.value
    assert (error.code, error.reason, error.field) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", "test.audio")
    assert (error.message, error.retry_after_s) == ("what to do", 1.5)
    assert str(error) == "OVERLOADED: what to do (field test.audio)"


def test_an_error_without_details_keeps_its_status(client: Client, recorder: Recorder) -> None:
    recorder.failures = [grpc.StatusCode.PERMISSION_DENIED]
    with pytest.raises(EquivoxError, match="PERMISSION_DENIED: told to fail") as caught:
        client.profiles.get("anna")
    assert (caught.value.reason, caught.value.field, caught.value.retry_after_s) == ("", "", None)


class BrokenCall:
    """A proxy mangled the details."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.INTERNAL

    def details(self) -> str | None:
        return None

    def trailing_metadata(self) -> list[tuple[str, bytes]]:
        return [(DETAILS_KEY, b"\xff\xff\xff")]


def test_details_that_cannot_be_read_do_not_hide_the_status() -> None:
    error = read_error(BrokenCall())
    assert (error.code, error.message, error.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL", "")


def test_an_unreachable_server_is_unavailable() -> None:
    with Client("localhost:1") as nobody, pytest.raises(EquivoxError) as caught:
        nobody.models.list(timeout_s=1)
    assert caught.value.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


def test_errors_survive_pickling() -> None:
    error = EquivoxError("m", code=grpc.StatusCode.ABORTED, reason="R", field="f", retry_after_s=2.0)
    copy = pickle.loads(pickle.dumps(error))
    assert vars(copy) == vars(error)
