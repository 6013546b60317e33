from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PcmEncoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PCM_ENCODING_UNSPECIFIED: _ClassVar[PcmEncoding]
    PCM_ENCODING_S16LE: _ClassVar[PcmEncoding]
    PCM_ENCODING_F32LE: _ClassVar[PcmEncoding]
    PCM_ENCODING_MULAW: _ClassVar[PcmEncoding]
    PCM_ENCODING_ALAW: _ClassVar[PcmEncoding]

class Band(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BAND_UNSPECIFIED: _ClassVar[Band]
    BAND_TELEPHONE: _ClassVar[Band]
    BAND_WIDE: _ClassVar[Band]
PCM_ENCODING_UNSPECIFIED: PcmEncoding
PCM_ENCODING_S16LE: PcmEncoding
PCM_ENCODING_F32LE: PcmEncoding
PCM_ENCODING_MULAW: PcmEncoding
PCM_ENCODING_ALAW: PcmEncoding
BAND_UNSPECIFIED: Band
BAND_TELEPHONE: Band
BAND_WIDE: Band

class Audio(_message.Message):
    __slots__ = ("pcm", "container", "declared_sample_rate_hz", "channel")
    PCM_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    DECLARED_SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    pcm: PcmAudio
    container: bytes
    declared_sample_rate_hz: int
    channel: int
    def __init__(self, pcm: _Optional[_Union[PcmAudio, _Mapping]] = ..., container: _Optional[bytes] = ..., declared_sample_rate_hz: _Optional[int] = ..., channel: _Optional[int] = ...) -> None: ...

class PcmAudio(_message.Message):
    __slots__ = ("encoding", "sample_rate_hz", "num_channels", "samples")
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    NUM_CHANNELS_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    encoding: PcmEncoding
    sample_rate_hz: int
    num_channels: int
    samples: bytes
    def __init__(self, encoding: _Optional[_Union[PcmEncoding, str]] = ..., sample_rate_hz: _Optional[int] = ..., num_channels: _Optional[int] = ..., samples: _Optional[bytes] = ...) -> None: ...

class AudioQuality(_message.Message):
    __slots__ = ("duration_s", "net_speech_s", "snr_db", "clipped_share", "band")
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    NET_SPEECH_S_FIELD_NUMBER: _ClassVar[int]
    SNR_DB_FIELD_NUMBER: _ClassVar[int]
    CLIPPED_SHARE_FIELD_NUMBER: _ClassVar[int]
    BAND_FIELD_NUMBER: _ClassVar[int]
    duration_s: float
    net_speech_s: float
    snr_db: float
    clipped_share: float
    band: Band
    def __init__(self, duration_s: _Optional[float] = ..., net_speech_s: _Optional[float] = ..., snr_db: _Optional[float] = ..., clipped_share: _Optional[float] = ..., band: _Optional[_Union[Band, str]] = ...) -> None: ...
