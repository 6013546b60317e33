"""The one table from domain errors to gRPC status, and the google.rpc details that go with it."""

import math
from typing import NoReturn

from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode
from grpc.aio import ServicerContext

from svc import errors
from svc.errors import ServiceError

DOMAIN = "equivox"
DETAILS_KEY = "grpc-status-details-bin"
# The message goes out three times in header fields, which together must stay well under HTTP/2's usual 8 KiB: of bytes
# past ASCII that is three bytes each (percent) and twice 4/3 (base64).
MAX_MESSAGE_BYTES = 700

STATUS_OF: dict[type[ServiceError], StatusCode] = {
    errors.InvalidRequestError: StatusCode.INVALID_ARGUMENT,
    errors.AudioMissingError: StatusCode.INVALID_ARGUMENT,
    errors.AudioFormatError: StatusCode.INVALID_ARGUMENT,
    errors.AudioTruncatedError: StatusCode.INVALID_ARGUMENT,
    errors.AudioNotFiniteError: StatusCode.INVALID_ARGUMENT,
    errors.AudioTooLongError: StatusCode.INVALID_ARGUMENT,
    errors.RateMismatchError: StatusCode.INVALID_ARGUMENT,
    errors.RateUnsupportedError: StatusCode.INVALID_ARGUMENT,
    errors.ChannelError: StatusCode.INVALID_ARGUMENT,
    errors.TooLittleSpeechError: StatusCode.INVALID_ARGUMENT,
    errors.VoiceMissingError: StatusCode.INVALID_ARGUMENT,
    errors.PolicyUnknownError: StatusCode.INVALID_ARGUMENT,
    errors.ConsentMissingError: StatusCode.INVALID_ARGUMENT,
    errors.StreamProtocolError: StatusCode.INVALID_ARGUMENT,
    errors.FingerprintMismatchError: StatusCode.FAILED_PRECONDITION,
    errors.ProfileNotFoundError: StatusCode.NOT_FOUND,
    errors.ProfileExistsError: StatusCode.ALREADY_EXISTS,
    errors.ProfileExpiredError: StatusCode.FAILED_PRECONDITION,
    errors.ProfileEmptyError: StatusCode.FAILED_PRECONDITION,
    errors.IdempotencyConflictError: StatusCode.ABORTED,
    errors.ModelNotFoundError: StatusCode.NOT_FOUND,
    errors.FairnessReportNotFoundError: StatusCode.NOT_FOUND,
    errors.ModelUnavailableError: StatusCode.UNAVAILABLE,
    errors.ArtifactError: StatusCode.UNAVAILABLE,
    errors.StorageError: StatusCode.UNAVAILABLE,
    errors.NotReadyError: StatusCode.UNAVAILABLE,
    errors.UnauthenticatedError: StatusCode.UNAUTHENTICATED,
    errors.OverloadedError: StatusCode.RESOURCE_EXHAUSTED,
    errors.RateLimitedError: StatusCode.RESOURCE_EXHAUSTED,
    errors.StreamTooFastError: StatusCode.RESOURCE_EXHAUSTED,
    errors.StreamIdleError: StatusCode.DEADLINE_EXCEEDED,
    errors.CallAbandonedError: StatusCode.CANCELLED,
    errors.DeadlinePassedError: StatusCode.DEADLINE_EXCEEDED,
}


def status_code_of(error: ServiceError) -> StatusCode:
    """Status of the error's class, or of the nearest base that is in the table."""
    for kind in type(error).__mro__:
        if kind in STATUS_OF:
            return STATUS_OF[kind]
    raise LookupError(f"{type(error).__name__} has no status: add it to STATUS_OF")


def message_of(error: ServiceError) -> str:
    """The message, cut where a caller's own text made it long."""
    encoded = error.message.encode()
    if len(encoded) <= MAX_MESSAGE_BYTES:
        return error.message
    return f"{encoded[:MAX_MESSAGE_BYTES].decode(errors='ignore')}.."


def trailing_details(error: ServiceError) -> tuple[tuple[str, bytes], ...]:
    """The error as google.rpc.Status trailing metadata: ErrorInfo always, BadRequest and RetryInfo where they apply."""
    code = status_code_of(error)
    status = Status(
        code=Code.Value(code.name),
        message=message_of(error),
        details=[packed(detail) for detail in details_of(error, code)],
    )
    return ((DETAILS_KEY, status.SerializeToString()),)


def details_of(error: ServiceError, code: StatusCode) -> list[Message]:
    """ErrorInfo, then the details a client can act on."""
    details: list[Message] = [ErrorInfo(reason=error.reason, domain=DOMAIN)]
    if code is StatusCode.INVALID_ARGUMENT and error.field:
        violation = BadRequest.FieldViolation(field=error.field, description=message_of(error))
        details.append(BadRequest(field_violations=[violation]))
    if error.retry_after_s is not None:
        details.append(RetryInfo(retry_delay=duration(error.retry_after_s)))
    return details


def duration(seconds: float) -> Duration:
    """Seconds as google.protobuf.Duration."""
    fraction, whole = math.modf(seconds)
    return Duration(seconds=int(whole), nanos=int(fraction * 1e9))


def packed(message: Message) -> Any:
    """The message in an Any."""
    envelope = Any()
    envelope.Pack(message)
    return envelope


async def abort(context: ServicerContext[object, object], error: ServiceError) -> NoReturn:
    """Ends the call with the error's status."""
    await context.abort(status_code_of(error), message_of(error), trailing_details(error))
