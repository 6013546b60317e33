"""Domain errors become gRPC status with details a client can act on."""

import base64
import inspect
from urllib.parse import quote

import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from svc import errors
from svc.errors import InvalidRequestError, OverloadedError, PolicyUnknownError, ServiceError
from svc.rpc.status import DETAILS_KEY, STATUS_OF, duration, message_of, status_code_of, trailing_details

HTTP2_HEADER_BYTES = 8 * 2**10


def all_errors() -> set[type[ServiceError]]:
    return {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, ServiceError)}


def status_of(error: ServiceError) -> Status:
    ((key, value),) = trailing_details(error)
    assert key == DETAILS_KEY
    return Status.FromString(value)


def test_every_domain_error_has_a_status() -> None:
    assert all_errors() - {ServiceError} == STATUS_OF.keys()


def test_every_domain_error_has_a_reason_of_its_own() -> None:
    assert len({kind.reason for kind in STATUS_OF}) == len(STATUS_OF)


@pytest.mark.parametrize("kind", STATUS_OF, ids=lambda kind: kind.__name__)
def test_no_domain_error_looks_like_a_bug(kind: type[ServiceError]) -> None:
    assert STATUS_OF[kind] not in (StatusCode.INTERNAL, StatusCode.UNKNOWN)


def test_a_subclass_has_the_status_of_its_base() -> None:
    class NarrowerError(PolicyUnknownError):
        pass

    assert status_code_of(NarrowerError("no")) is StatusCode.INVALID_ARGUMENT


def test_a_callers_mistake_names_the_field() -> None:
    status = status_of(InvalidRequestError("too many", field="max_matches"))
    info, bad = ErrorInfo(), BadRequest()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(bad)
    assert (info.reason, info.domain) == ("INVALID_REQUEST", "equivox")
    assert bad.field_violations[0].field == "max_matches"


def test_a_refusal_for_load_says_when_to_retry() -> None:
    retry = RetryInfo()
    assert status_of(OverloadedError("full", retry_after_s=1.25)).details[1].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 1250


@pytest.mark.parametrize("letter", ["x", "%", "\u00e9", "\u58f0", "\U0001f600"])
def test_a_message_made_long_by_the_caller_fits_the_headers(letter: str) -> None:
    error = PolicyUnknownError(f"no policy {letter * 100_000}", field="policy.name")
    message, details = quote(message_of(error)), base64.b64encode(trailing_details(error)[0][1])
    assert len(message) + len(details) < HTTP2_HEADER_BYTES / 1.5


@pytest.mark.parametrize("letter", ["x", "\u00e9", "\u58f0", "\U0001f600"])
def test_what_a_caller_can_read_is_not_cut_within_a_letter(letter: str) -> None:
    assert message_of(PolicyUnknownError(letter * 1000)).removesuffix("..").strip(letter) == ""


@pytest.mark.parametrize("seconds", [0.0, 0.1, 1.0, 59.999])
def test_duration_keeps_milliseconds(seconds: float) -> None:
    assert duration(seconds).ToMilliseconds() == pytest.approx(1000 * seconds, abs=1)
