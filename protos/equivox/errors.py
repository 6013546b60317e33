"""The one error callers meet, read from the google.rpc details that come with a failed call."""

from typing import Any, Protocol

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

DETAILS_KEY = "grpc-status-details-bin"


class EquivoxError(Exception):
    """A call failed.

    `code` is the gRPC status; `reason` the service's own code (TOO_LITTLE_SPEECH, PROFILE_NOT_FOUND, ..), empty when
    the failure came from the network; `field` the request field at fault; `retry_after_s` the wait the server asks for.
    """

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode,
        reason: str = "",
        field: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.field = field
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        where = f" (field {self.field})" if self.field else ""
        return f"{self.reason or self.code.name}: {self.message}{where}"

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions travel between processes of a pool by pickling; keyword-only arguments need telling.
        return _rebuild, (self.message, self.code, self.reason, self.field, self.retry_after_s)


def _rebuild(message: str, code: grpc.StatusCode, reason: str, field: str, retry_after_s: float | None) -> EquivoxError:
    return EquivoxError(message, code=code, reason=reason, field=field, retry_after_s=retry_after_s)


class FailedCall(Protocol):
    """What grpc's synchronous and asynchronous errors have in common."""

    def code(self) -> grpc.StatusCode: ...
    def details(self) -> str | None: ...
    def trailing_metadata(self) -> Any: ...  # noqa: ANN401 - two unrelated iterables of pairs


def read_error(call: FailedCall) -> EquivoxError:
    """The error of a failed call. Details that cannot be read are left out: the status alone still stands."""
    status = _status_of(call)
    info, request, retry = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.BadRequest(),
        error_details_pb2.RetryInfo(),
    )
    found = [_unpack(status, detail) for detail in (info, request, retry)]
    return EquivoxError(
        call.details() or status.message or call.code().name,
        code=call.code(),
        reason=info.reason,
        field=request.field_violations[0].field if request.field_violations else "",
        retry_after_s=retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9 if found[2] else None,
    )


def _status_of(call: FailedCall) -> status_pb2.Status:
    for key, value in call.trailing_metadata() or ():
        if key == DETAILS_KEY:
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                break
    return status_pb2.Status()


def _unpack(status: status_pb2.Status, detail: Message) -> bool:
    return any(held.Is(detail.DESCRIPTOR) and held.Unpack(detail) for held in status.details)
