"""Every way a request can fail that is not a bug: the message names the field and the remedy, `reason` is the code.

svc.rpc.status holds the one table from these classes to gRPC status codes; a test keeps the two equal.
"""

from typing import ClassVar


class ServiceError(Exception):
    """Base of all domain errors. `field` is the request field at fault, when there is one."""

    reason: ClassVar[str] = "UNSPECIFIED"

    def __init__(self, message: str, *, field: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.retry_after_s = retry_after_s


# The request itself is wrong: INVALID_ARGUMENT.
class InvalidRequestError(ServiceError):
    """A field is missing, out of range or contradicts another."""

    reason = "INVALID_REQUEST"


class AudioMissingError(ServiceError):
    """No audio where some is required."""

    reason = "AUDIO_MISSING"


class AudioFormatError(ServiceError):
    """Not a container or encoding the service reads, or a broken one."""

    reason = "AUDIO_FORMAT"


class AudioTruncatedError(ServiceError):
    """The audio ends before its header or frame size says it should."""

    reason = "AUDIO_TRUNCATED"


class AudioNotFiniteError(ServiceError):
    """NaN or infinity among the samples."""

    reason = "AUDIO_NOT_FINITE"


class AudioTooLongError(ServiceError):
    """More bytes or more decoded seconds than the limit."""

    reason = "AUDIO_TOO_LONG"


class RateMismatchError(ServiceError):
    """Declared and actual sample rate disagree."""

    reason = "RATE_MISMATCH"


class RateUnsupportedError(ServiceError):
    """Sample rate outside 8 to 48 kHz."""

    reason = "RATE_UNSUPPORTED"


class ChannelError(ServiceError):
    """The channel asked for does not exist, or one must be chosen and was not."""

    reason = "CHANNEL_REQUIRED"


class TooLittleSpeechError(ServiceError):
    """Not enough net speech to make a voiceprint at all."""

    reason = "TOO_LITTLE_SPEECH"


class VoiceMissingError(ServiceError):
    """A side of a comparison is empty."""

    reason = "VOICE_MISSING"


class PolicyUnknownError(ServiceError):
    """No policy of that name."""

    reason = "POLICY_UNKNOWN"


class ConsentMissingError(ServiceError):
    """A profile needs a consent reference."""

    reason = "CONSENT_MISSING"


class StreamProtocolError(ServiceError):
    """A message of a stream where it has no place: audio before the config, or a second config."""

    reason = "PROTOCOL"


# The request is fine, the state of the service is not.
class FingerprintMismatchError(ServiceError):
    """Two embeddings of different models: FAILED_PRECONDITION; re-enrol with the current model."""

    reason = "FINGERPRINT_MISMATCH"


class ProfileNotFoundError(ServiceError):
    """No such profile in the caller's tenant: NOT_FOUND."""

    reason = "PROFILE_NOT_FOUND"


class ProfileExistsError(ServiceError):
    """The wanted profile_id is taken: ALREADY_EXISTS."""

    reason = "PROFILE_EXISTS"


class ProfileExpiredError(ServiceError):
    """The profile's consent has run out: FAILED_PRECONDITION."""

    reason = "PROFILE_EXPIRED"


class ProfileEmptyError(ServiceError):
    """The profile has no enrolment yet: FAILED_PRECONDITION."""

    reason = "PROFILE_EMPTY"


class IdempotencyConflictError(ServiceError):
    """An idempotency key came back with other content: ABORTED."""

    reason = "IDEMPOTENCY_CONFLICT"


class ModelNotFoundError(ServiceError):
    """No loaded model of that name: NOT_FOUND."""

    reason = "MODEL_NOT_FOUND"


class FairnessReportNotFoundError(ServiceError):
    """Nobody has measured this model's errors by group: NOT_FOUND; says which command does."""

    reason = "FAIRNESS_REPORT_NOT_FOUND"


class ModelUnavailableError(ServiceError):
    """A model file is missing, corrupt or cannot be fetched: UNAVAILABLE; says which command mends it."""

    reason = "MODEL_UNAVAILABLE"


class ArtifactError(ServiceError):
    """An artifact (calibration, head) is missing, corrupt or belongs to another model: UNAVAILABLE."""

    reason = "ARTIFACT_INVALID"


class StorageError(ServiceError):
    """The profile database cannot be read or written (disk full, corrupt, wrong key): UNAVAILABLE."""

    reason = "STORAGE_UNAVAILABLE"


class NotReadyError(ServiceError):
    """The server is loading its models or shutting down: UNAVAILABLE with RetryInfo."""

    reason = "NOT_READY"


# Who is asking, and how much.
class UnauthenticatedError(ServiceError):
    """No bearer token, or one nobody was given: UNAUTHENTICATED."""

    reason = "TOKEN_INVALID"


class OverloadedError(ServiceError):
    """More work queued than can be done in time: RESOURCE_EXHAUSTED with RetryInfo."""

    reason = "OVERLOADED"


class RateLimitedError(ServiceError):
    """The tenant's rate is used up: RESOURCE_EXHAUSTED with RetryInfo."""

    reason = "RATE_LIMITED"


class StreamTooFastError(ServiceError):
    """A live stream sends audio faster than it may: RESOURCE_EXHAUSTED with RetryInfo."""

    reason = "STREAM_TOO_FAST"


class StreamIdleError(ServiceError):
    """A caller has sent nothing for too long, not even keep_alive, or read nothing: DEADLINE_EXCEEDED."""

    reason = "STREAM_IDLE"


class CallAbandonedError(ServiceError):
    """The caller is gone; nothing more is done for it: CANCELLED."""

    reason = "CALL_ABANDONED"


class DeadlinePassedError(CallAbandonedError):
    """The caller's deadline has passed; nothing more is done for it: DEADLINE_EXCEEDED."""

    reason = "DEADLINE_PASSED"
