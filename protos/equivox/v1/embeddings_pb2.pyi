from equivox.v1 import audio_pb2 as _audio_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EmbedRequest(_message.Message):
    __slots__ = ("audio",)
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    audio: _audio_pb2.Audio
    def __init__(self, audio: _Optional[_Union[_audio_pb2.Audio, _Mapping]] = ...) -> None: ...

class EmbedResponse(_message.Message):
    __slots__ = ("embedding", "quality")
    EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    embedding: Embedding
    quality: _audio_pb2.AudioQuality
    def __init__(self, embedding: _Optional[_Union[Embedding, _Mapping]] = ..., quality: _Optional[_Union[_audio_pb2.AudioQuality, _Mapping]] = ...) -> None: ...

class Embedding(_message.Message):
    __slots__ = ("values", "model_fingerprint", "net_speech_s", "band", "snr_db", "clipped_share")
    VALUES_FIELD_NUMBER: _ClassVar[int]
    MODEL_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    NET_SPEECH_S_FIELD_NUMBER: _ClassVar[int]
    BAND_FIELD_NUMBER: _ClassVar[int]
    SNR_DB_FIELD_NUMBER: _ClassVar[int]
    CLIPPED_SHARE_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    model_fingerprint: str
    net_speech_s: float
    band: _audio_pb2.Band
    snr_db: float
    clipped_share: float
    def __init__(self, values: _Optional[_Iterable[float]] = ..., model_fingerprint: _Optional[str] = ..., net_speech_s: _Optional[float] = ..., band: _Optional[_Union[_audio_pb2.Band, str]] = ..., snr_db: _Optional[float] = ..., clipped_share: _Optional[float] = ...) -> None: ...
