from equivox.v1 import audio_pb2 as _audio_pb2
from equivox.v1 import embeddings_pb2 as _embeddings_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Decision(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DECISION_UNSPECIFIED: _ClassVar[Decision]
    DECISION_ACCEPT: _ClassVar[Decision]
    DECISION_REJECT: _ClassVar[Decision]
    DECISION_INCONCLUSIVE: _ClassVar[Decision]

class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASON_UNSPECIFIED: _ClassVar[Reason]
    REASON_TOO_LITTLE_SPEECH: _ClassVar[Reason]
    REASON_LOW_SNR: _ClassVar[Reason]
    REASON_CLIPPED: _ClassVar[Reason]
    REASON_NEAR_THRESHOLD: _ClassVar[Reason]
    REASON_BAND_MISMATCH: _ClassVar[Reason]
    REASON_AMBIGUOUS: _ClassVar[Reason]
DECISION_UNSPECIFIED: Decision
DECISION_ACCEPT: Decision
DECISION_REJECT: Decision
DECISION_INCONCLUSIVE: Decision
REASON_UNSPECIFIED: Reason
REASON_TOO_LITTLE_SPEECH: Reason
REASON_LOW_SNR: Reason
REASON_CLIPPED: Reason
REASON_NEAR_THRESHOLD: Reason
REASON_BAND_MISMATCH: Reason
REASON_AMBIGUOUS: Reason

class Voice(_message.Message):
    __slots__ = ("audio", "profile_id", "embedding")
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    PROFILE_ID_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    audio: _audio_pb2.Audio
    profile_id: str
    embedding: _embeddings_pb2.Embedding
    def __init__(self, audio: _Optional[_Union[_audio_pb2.Audio, _Mapping]] = ..., profile_id: _Optional[str] = ..., embedding: _Optional[_Union[_embeddings_pb2.Embedding, _Mapping]] = ...) -> None: ...

class Policy(_message.Message):
    __slots__ = ("name", "costs")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COSTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    costs: CostPolicy
    def __init__(self, name: _Optional[str] = ..., costs: _Optional[_Union[CostPolicy, _Mapping]] = ...) -> None: ...

class CostPolicy(_message.Message):
    __slots__ = ("prior", "cost_false_accept", "cost_false_reject", "inconclusive_band")
    PRIOR_FIELD_NUMBER: _ClassVar[int]
    COST_FALSE_ACCEPT_FIELD_NUMBER: _ClassVar[int]
    COST_FALSE_REJECT_FIELD_NUMBER: _ClassVar[int]
    INCONCLUSIVE_BAND_FIELD_NUMBER: _ClassVar[int]
    prior: float
    cost_false_accept: float
    cost_false_reject: float
    inconclusive_band: float
    def __init__(self, prior: _Optional[float] = ..., cost_false_accept: _Optional[float] = ..., cost_false_reject: _Optional[float] = ..., inconclusive_band: _Optional[float] = ...) -> None: ...

class VerifyRequest(_message.Message):
    __slots__ = ("enrolment", "test", "policy")
    ENROLMENT_FIELD_NUMBER: _ClassVar[int]
    TEST_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    enrolment: Voice
    test: Voice
    policy: Policy
    def __init__(self, enrolment: _Optional[_Union[Voice, _Mapping]] = ..., test: _Optional[_Union[Voice, _Mapping]] = ..., policy: _Optional[_Union[Policy, _Mapping]] = ...) -> None: ...

class VerifyResponse(_message.Message):
    __slots__ = ("llr", "decision", "reasons", "policy_id", "threshold_llr", "calibration_id", "model_fingerprint", "enrolment_net_speech_s", "test_net_speech_s", "score")
    LLR_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    POLICY_ID_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_LLR_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    ENROLMENT_NET_SPEECH_S_FIELD_NUMBER: _ClassVar[int]
    TEST_NET_SPEECH_S_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    llr: float
    decision: Decision
    reasons: _containers.RepeatedScalarFieldContainer[Reason]
    policy_id: str
    threshold_llr: float
    calibration_id: str
    model_fingerprint: str
    enrolment_net_speech_s: float
    test_net_speech_s: float
    score: float
    def __init__(self, llr: _Optional[float] = ..., decision: _Optional[_Union[Decision, str]] = ..., reasons: _Optional[_Iterable[_Union[Reason, str]]] = ..., policy_id: _Optional[str] = ..., threshold_llr: _Optional[float] = ..., calibration_id: _Optional[str] = ..., model_fingerprint: _Optional[str] = ..., enrolment_net_speech_s: _Optional[float] = ..., test_net_speech_s: _Optional[float] = ..., score: _Optional[float] = ...) -> None: ...

class IdentifyRequest(_message.Message):
    __slots__ = ("test", "max_matches", "policy", "profile_ids")
    TEST_FIELD_NUMBER: _ClassVar[int]
    MAX_MATCHES_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    PROFILE_IDS_FIELD_NUMBER: _ClassVar[int]
    test: Voice
    max_matches: int
    policy: Policy
    profile_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, test: _Optional[_Union[Voice, _Mapping]] = ..., max_matches: _Optional[int] = ..., policy: _Optional[_Union[Policy, _Mapping]] = ..., profile_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class IdentifyResponse(_message.Message):
    __slots__ = ("matches", "decision", "reasons", "policy_id", "threshold_llr", "calibration_id", "model_fingerprint", "net_speech_s", "num_searched")
    MATCHES_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    POLICY_ID_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_LLR_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    NET_SPEECH_S_FIELD_NUMBER: _ClassVar[int]
    NUM_SEARCHED_FIELD_NUMBER: _ClassVar[int]
    matches: _containers.RepeatedCompositeFieldContainer[IdentityMatch]
    decision: Decision
    reasons: _containers.RepeatedScalarFieldContainer[Reason]
    policy_id: str
    threshold_llr: float
    calibration_id: str
    model_fingerprint: str
    net_speech_s: float
    num_searched: int
    def __init__(self, matches: _Optional[_Iterable[_Union[IdentityMatch, _Mapping]]] = ..., decision: _Optional[_Union[Decision, str]] = ..., reasons: _Optional[_Iterable[_Union[Reason, str]]] = ..., policy_id: _Optional[str] = ..., threshold_llr: _Optional[float] = ..., calibration_id: _Optional[str] = ..., model_fingerprint: _Optional[str] = ..., net_speech_s: _Optional[float] = ..., num_searched: _Optional[int] = ...) -> None: ...

class IdentityMatch(_message.Message):
    __slots__ = ("profile_id", "display_name", "llr", "margin")
    PROFILE_ID_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    LLR_FIELD_NUMBER: _ClassVar[int]
    MARGIN_FIELD_NUMBER: _ClassVar[int]
    profile_id: str
    display_name: str
    llr: float
    margin: float
    def __init__(self, profile_id: _Optional[str] = ..., display_name: _Optional[str] = ..., llr: _Optional[float] = ..., margin: _Optional[float] = ...) -> None: ...
