from equivox.v1 import audio_pb2 as _audio_pb2
from equivox.v1 import embeddings_pb2 as _embeddings_pb2
from equivox.v1 import verification_pb2 as _verification_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DiarizeRequest(_message.Message):
    __slots__ = ("audio", "num_speakers", "min_speakers", "max_speakers", "with_embeddings", "identify", "policy")
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    NUM_SPEAKERS_FIELD_NUMBER: _ClassVar[int]
    MIN_SPEAKERS_FIELD_NUMBER: _ClassVar[int]
    MAX_SPEAKERS_FIELD_NUMBER: _ClassVar[int]
    WITH_EMBEDDINGS_FIELD_NUMBER: _ClassVar[int]
    IDENTIFY_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    audio: _audio_pb2.Audio
    num_speakers: int
    min_speakers: int
    max_speakers: int
    with_embeddings: bool
    identify: bool
    policy: _verification_pb2.Policy
    def __init__(self, audio: _Optional[_Union[_audio_pb2.Audio, _Mapping]] = ..., num_speakers: _Optional[int] = ..., min_speakers: _Optional[int] = ..., max_speakers: _Optional[int] = ..., with_embeddings: _Optional[bool] = ..., identify: _Optional[bool] = ..., policy: _Optional[_Union[_verification_pb2.Policy, _Mapping]] = ...) -> None: ...

class DiarizeResponse(_message.Message):
    __slots__ = ("turns", "overlaps", "speakers", "duration_s", "model_fingerprint")
    TURNS_FIELD_NUMBER: _ClassVar[int]
    OVERLAPS_FIELD_NUMBER: _ClassVar[int]
    SPEAKERS_FIELD_NUMBER: _ClassVar[int]
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    MODEL_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    turns: _containers.RepeatedCompositeFieldContainer[SpeakerTurn]
    overlaps: _containers.RepeatedCompositeFieldContainer[TimeSpan]
    speakers: _containers.RepeatedCompositeFieldContainer[DiarizedSpeaker]
    duration_s: float
    model_fingerprint: str
    def __init__(self, turns: _Optional[_Iterable[_Union[SpeakerTurn, _Mapping]]] = ..., overlaps: _Optional[_Iterable[_Union[TimeSpan, _Mapping]]] = ..., speakers: _Optional[_Iterable[_Union[DiarizedSpeaker, _Mapping]]] = ..., duration_s: _Optional[float] = ..., model_fingerprint: _Optional[str] = ...) -> None: ...

class TimeSpan(_message.Message):
    __slots__ = ("start_s", "end_s")
    START_S_FIELD_NUMBER: _ClassVar[int]
    END_S_FIELD_NUMBER: _ClassVar[int]
    start_s: float
    end_s: float
    def __init__(self, start_s: _Optional[float] = ..., end_s: _Optional[float] = ...) -> None: ...

class SpeakerTurn(_message.Message):
    __slots__ = ("span", "speaker")
    SPAN_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    span: TimeSpan
    speaker: str
    def __init__(self, span: _Optional[_Union[TimeSpan, _Mapping]] = ..., speaker: _Optional[str] = ...) -> None: ...

class DiarizedSpeaker(_message.Message):
    __slots__ = ("label", "speech_s", "embedding", "profile")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    SPEECH_S_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    label: str
    speech_s: float
    embedding: _embeddings_pb2.Embedding
    profile: _verification_pb2.IdentityMatch
    def __init__(self, label: _Optional[str] = ..., speech_s: _Optional[float] = ..., embedding: _Optional[_Union[_embeddings_pb2.Embedding, _Mapping]] = ..., profile: _Optional[_Union[_verification_pb2.IdentityMatch, _Mapping]] = ...) -> None: ...
