from equivox.v1 import audio_pb2 as _audio_pb2
from equivox.v1 import verification_pb2 as _verification_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TranscribeRequest(_message.Message):
    __slots__ = ("config", "audio", "keep_alive", "flush")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    KEEP_ALIVE_FIELD_NUMBER: _ClassVar[int]
    FLUSH_FIELD_NUMBER: _ClassVar[int]
    config: TranscribeConfig
    audio: bytes
    keep_alive: KeepAlive
    flush: Flush
    def __init__(self, config: _Optional[_Union[TranscribeConfig, _Mapping]] = ..., audio: _Optional[bytes] = ..., keep_alive: _Optional[_Union[KeepAlive, _Mapping]] = ..., flush: _Optional[_Union[Flush, _Mapping]] = ...) -> None: ...

class TranscribeConfig(_message.Message):
    __slots__ = ("encoding", "sample_rate_hz", "num_channels", "channel", "partials", "identify", "policy", "second_pass")
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    NUM_CHANNELS_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    PARTIALS_FIELD_NUMBER: _ClassVar[int]
    IDENTIFY_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    SECOND_PASS_FIELD_NUMBER: _ClassVar[int]
    encoding: _audio_pb2.PcmEncoding
    sample_rate_hz: int
    num_channels: int
    channel: int
    partials: bool
    identify: bool
    policy: _verification_pb2.Policy
    second_pass: bool
    def __init__(self, encoding: _Optional[_Union[_audio_pb2.PcmEncoding, str]] = ..., sample_rate_hz: _Optional[int] = ..., num_channels: _Optional[int] = ..., channel: _Optional[int] = ..., partials: _Optional[bool] = ..., identify: _Optional[bool] = ..., policy: _Optional[_Union[_verification_pb2.Policy, _Mapping]] = ..., second_pass: _Optional[bool] = ...) -> None: ...

class KeepAlive(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Flush(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TranscribeResponse(_message.Message):
    __slots__ = ("accepted", "turn_start", "partial", "word", "turn_end", "speaker_revision", "text_revision", "warning")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    TURN_START_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    WORD_FIELD_NUMBER: _ClassVar[int]
    TURN_END_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_REVISION_FIELD_NUMBER: _ClassVar[int]
    TEXT_REVISION_FIELD_NUMBER: _ClassVar[int]
    WARNING_FIELD_NUMBER: _ClassVar[int]
    accepted: StreamAccepted
    turn_start: TurnStart
    partial: PartialWords
    word: Word
    turn_end: TurnEnd
    speaker_revision: SpeakerRevision
    text_revision: TextRevision
    warning: StreamWarning
    def __init__(self, accepted: _Optional[_Union[StreamAccepted, _Mapping]] = ..., turn_start: _Optional[_Union[TurnStart, _Mapping]] = ..., partial: _Optional[_Union[PartialWords, _Mapping]] = ..., word: _Optional[_Union[Word, _Mapping]] = ..., turn_end: _Optional[_Union[TurnEnd, _Mapping]] = ..., speaker_revision: _Optional[_Union[SpeakerRevision, _Mapping]] = ..., text_revision: _Optional[_Union[TextRevision, _Mapping]] = ..., warning: _Optional[_Union[StreamWarning, _Mapping]] = ...) -> None: ...

class StreamAccepted(_message.Message):
    __slots__ = ("session_id", "algorithmic_latency_s", "model_fingerprint", "max_speed", "max_burst_s", "idle_timeout_s")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    ALGORITHMIC_LATENCY_S_FIELD_NUMBER: _ClassVar[int]
    MODEL_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    MAX_SPEED_FIELD_NUMBER: _ClassVar[int]
    MAX_BURST_S_FIELD_NUMBER: _ClassVar[int]
    IDLE_TIMEOUT_S_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    algorithmic_latency_s: float
    model_fingerprint: str
    max_speed: float
    max_burst_s: float
    idle_timeout_s: float
    def __init__(self, session_id: _Optional[str] = ..., algorithmic_latency_s: _Optional[float] = ..., model_fingerprint: _Optional[str] = ..., max_speed: _Optional[float] = ..., max_burst_s: _Optional[float] = ..., idle_timeout_s: _Optional[float] = ...) -> None: ...

class TurnStart(_message.Message):
    __slots__ = ("turn_id", "channel", "start_s", "cut_off")
    TURN_ID_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    START_S_FIELD_NUMBER: _ClassVar[int]
    CUT_OFF_FIELD_NUMBER: _ClassVar[int]
    turn_id: int
    channel: int
    start_s: float
    cut_off: bool
    def __init__(self, turn_id: _Optional[int] = ..., channel: _Optional[int] = ..., start_s: _Optional[float] = ..., cut_off: _Optional[bool] = ...) -> None: ...

class PartialWords(_message.Message):
    __slots__ = ("turn_id", "words")
    TURN_ID_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    turn_id: int
    words: _containers.RepeatedCompositeFieldContainer[Word]
    def __init__(self, turn_id: _Optional[int] = ..., words: _Optional[_Iterable[_Union[Word, _Mapping]]] = ...) -> None: ...

class Word(_message.Message):
    __slots__ = ("turn_id", "text", "start_s", "end_s", "channel", "speaker")
    TURN_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    START_S_FIELD_NUMBER: _ClassVar[int]
    END_S_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    turn_id: int
    text: str
    start_s: float
    end_s: float
    channel: int
    speaker: AttributedSpeaker
    def __init__(self, turn_id: _Optional[int] = ..., text: _Optional[str] = ..., start_s: _Optional[float] = ..., end_s: _Optional[float] = ..., channel: _Optional[int] = ..., speaker: _Optional[_Union[AttributedSpeaker, _Mapping]] = ...) -> None: ...

class AttributedSpeaker(_message.Message):
    __slots__ = ("label", "profile_id", "confidence")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    PROFILE_ID_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    label: str
    profile_id: str
    confidence: float
    def __init__(self, label: _Optional[str] = ..., profile_id: _Optional[str] = ..., confidence: _Optional[float] = ...) -> None: ...

class TurnEnd(_message.Message):
    __slots__ = ("turn_id", "end_s", "speaker", "forced")
    TURN_ID_FIELD_NUMBER: _ClassVar[int]
    END_S_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    FORCED_FIELD_NUMBER: _ClassVar[int]
    turn_id: int
    end_s: float
    speaker: AttributedSpeaker
    forced: bool
    def __init__(self, turn_id: _Optional[int] = ..., end_s: _Optional[float] = ..., speaker: _Optional[_Union[AttributedSpeaker, _Mapping]] = ..., forced: _Optional[bool] = ...) -> None: ...

class SpeakerRevision(_message.Message):
    __slots__ = ("turn_id", "speaker")
    TURN_ID_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    turn_id: int
    speaker: AttributedSpeaker
    def __init__(self, turn_id: _Optional[int] = ..., speaker: _Optional[_Union[AttributedSpeaker, _Mapping]] = ...) -> None: ...

class TextRevision(_message.Message):
    __slots__ = ("turn_id", "words", "end_s")
    TURN_ID_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    END_S_FIELD_NUMBER: _ClassVar[int]
    turn_id: int
    words: _containers.RepeatedCompositeFieldContainer[Word]
    end_s: float
    def __init__(self, turn_id: _Optional[int] = ..., words: _Optional[_Iterable[_Union[Word, _Mapping]]] = ..., end_s: _Optional[float] = ...) -> None: ...

class StreamWarning(_message.Message):
    __slots__ = ("reason", "message")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...
