import datetime

from equivox.v1 import audio_pb2 as _audio_pb2
from equivox.v1 import embeddings_pb2 as _embeddings_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EnrolmentWarningKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENROLMENT_WARNING_KIND_UNSPECIFIED: _ClassVar[EnrolmentWarningKind]
    ENROLMENT_WARNING_KIND_INCOHERENT: _ClassVar[EnrolmentWarningKind]
    ENROLMENT_WARNING_KIND_DUPLICATE_VOICE: _ClassVar[EnrolmentWarningKind]
    ENROLMENT_WARNING_KIND_POOR_QUALITY: _ClassVar[EnrolmentWarningKind]
ENROLMENT_WARNING_KIND_UNSPECIFIED: EnrolmentWarningKind
ENROLMENT_WARNING_KIND_INCOHERENT: EnrolmentWarningKind
ENROLMENT_WARNING_KIND_DUPLICATE_VOICE: EnrolmentWarningKind
ENROLMENT_WARNING_KIND_POOR_QUALITY: EnrolmentWarningKind

class Profile(_message.Message):
    __slots__ = ("profile_id", "display_name", "consent_reference", "create_time", "expire_time", "num_enrolments", "net_speech_s", "model_fingerprint")
    PROFILE_ID_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    CONSENT_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    NUM_ENROLMENTS_FIELD_NUMBER: _ClassVar[int]
    NET_SPEECH_S_FIELD_NUMBER: _ClassVar[int]
    MODEL_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    profile_id: str
    display_name: str
    consent_reference: str
    create_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    num_enrolments: int
    net_speech_s: float
    model_fingerprint: str
    def __init__(self, profile_id: _Optional[str] = ..., display_name: _Optional[str] = ..., consent_reference: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., num_enrolments: _Optional[int] = ..., net_speech_s: _Optional[float] = ..., model_fingerprint: _Optional[str] = ...) -> None: ...

class CreateRequest(_message.Message):
    __slots__ = ("profile_id", "display_name", "consent_reference", "expire_time")
    PROFILE_ID_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    CONSENT_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    profile_id: str
    display_name: str
    consent_reference: str
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, profile_id: _Optional[str] = ..., display_name: _Optional[str] = ..., consent_reference: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateResponse(_message.Message):
    __slots__ = ("profile",)
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    profile: Profile
    def __init__(self, profile: _Optional[_Union[Profile, _Mapping]] = ...) -> None: ...

class EnrollRequest(_message.Message):
    __slots__ = ("profile_id", "utterances", "idempotency_key")
    PROFILE_ID_FIELD_NUMBER: _ClassVar[int]
    UTTERANCES_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    profile_id: str
    utterances: _containers.RepeatedCompositeFieldContainer[_audio_pb2.Audio]
    idempotency_key: str
    def __init__(self, profile_id: _Optional[str] = ..., utterances: _Optional[_Iterable[_Union[_audio_pb2.Audio, _Mapping]]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class EnrollResponse(_message.Message):
    __slots__ = ("profile", "qualities", "warnings")
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    QUALITIES_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    profile: Profile
    qualities: _containers.RepeatedCompositeFieldContainer[_audio_pb2.AudioQuality]
    warnings: _containers.RepeatedCompositeFieldContainer[EnrolmentWarning]
    def __init__(self, profile: _Optional[_Union[Profile, _Mapping]] = ..., qualities: _Optional[_Iterable[_Union[_audio_pb2.AudioQuality, _Mapping]]] = ..., warnings: _Optional[_Iterable[_Union[EnrolmentWarning, _Mapping]]] = ...) -> None: ...

class EnrolmentWarning(_message.Message):
    __slots__ = ("kind", "message", "utterance", "other_profile_id", "llr")
    KIND_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    OTHER_PROFILE_ID_FIELD_NUMBER: _ClassVar[int]
    LLR_FIELD_NUMBER: _ClassVar[int]
    kind: EnrolmentWarningKind
    message: str
    utterance: int
    other_profile_id: str
    llr: float
    def __init__(self, kind: _Optional[_Union[EnrolmentWarningKind, str]] = ..., message: _Optional[str] = ..., utterance: _Optional[int] = ..., other_profile_id: _Optional[str] = ..., llr: _Optional[float] = ...) -> None: ...

class GetRequest(_message.Message):
    __slots__ = ("profile_id",)
    PROFILE_ID_FIELD_NUMBER: _ClassVar[int]
    profile_id: str
    def __init__(self, profile_id: _Optional[str] = ...) -> None: ...

class GetResponse(_message.Message):
    __slots__ = ("profile",)
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    profile: Profile
    def __init__(self, profile: _Optional[_Union[Profile, _Mapping]] = ...) -> None: ...

class ProfilesListRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ProfilesListResponse(_message.Message):
    __slots__ = ("profiles", "next_page_token")
    PROFILES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    profiles: _containers.RepeatedCompositeFieldContainer[Profile]
    next_page_token: str
    def __init__(self, profiles: _Optional[_Iterable[_Union[Profile, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteRequest(_message.Message):
    __slots__ = ("profile_id",)
    PROFILE_ID_FIELD_NUMBER: _ClassVar[int]
    profile_id: str
    def __init__(self, profile_id: _Optional[str] = ...) -> None: ...

class DeleteResponse(_message.Message):
    __slots__ = ("num_enrolments_deleted",)
    NUM_ENROLMENTS_DELETED_FIELD_NUMBER: _ClassVar[int]
    num_enrolments_deleted: int
    def __init__(self, num_enrolments_deleted: _Optional[int] = ...) -> None: ...

class ExportRequest(_message.Message):
    __slots__ = ("profile_id",)
    PROFILE_ID_FIELD_NUMBER: _ClassVar[int]
    profile_id: str
    def __init__(self, profile_id: _Optional[str] = ...) -> None: ...

class ExportResponse(_message.Message):
    __slots__ = ("profile", "enrolments")
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    ENROLMENTS_FIELD_NUMBER: _ClassVar[int]
    profile: Profile
    enrolments: _containers.RepeatedCompositeFieldContainer[Enrolment]
    def __init__(self, profile: _Optional[_Union[Profile, _Mapping]] = ..., enrolments: _Optional[_Iterable[_Union[Enrolment, _Mapping]]] = ...) -> None: ...

class Enrolment(_message.Message):
    __slots__ = ("enrolment_id", "create_time", "embedding")
    ENROLMENT_ID_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    enrolment_id: int
    create_time: _timestamp_pb2.Timestamp
    embedding: _embeddings_pb2.Embedding
    def __init__(self, enrolment_id: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., embedding: _Optional[_Union[_embeddings_pb2.Embedding, _Mapping]] = ...) -> None: ...
