"""What the client hands back: frozen dataclasses of plain values, free of protobuf, numpy and torch.

LLRs are natural logarithms; times are seconds from the start of a recording; moments are aware UTC datetimes.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


class Band(Enum):
    """Bandwidth speech really has, whatever its sample rate says."""

    TELEPHONE = "telephone"
    WIDE = "wide"


class Decision(Enum):
    """What a policy makes of an LLR."""

    ACCEPT = "accept"
    REJECT = "reject"
    INCONCLUSIVE = "inconclusive"


class Reason(Enum):
    """Why evidence is weak. OTHER: the server is newer than this client and gave one it does not know."""

    TOO_LITTLE_SPEECH = "too_little_speech"
    LOW_SNR = "low_snr"
    CLIPPED = "clipped"
    NEAR_THRESHOLD = "near_threshold"
    BAND_MISMATCH = "band_mismatch"
    AMBIGUOUS = "ambiguous"
    OTHER = "other"


class WarningKind(Enum):
    """Kinds of doubtful enrolment. OTHER: one this client does not know yet."""

    INCOHERENT = "incoherent"
    DUPLICATE_VOICE = "duplicate_voice"
    POOR_QUALITY = "poor_quality"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioQuality:
    """What was measured on a clip."""

    duration_s: float
    net_speech_s: float
    snr_db: float
    clipped_share: float
    band: Band | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """A voice as a unit-length vector; only embeddings of one fingerprint can be compared.

    Keep every field with it: Verify and Identify need them all to score it later.
    """

    values: tuple[float, ...] = field(repr=False)
    model_fingerprint: str
    net_speech_s: float
    band: Band | None
    snr_db: float
    clipped_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedResult:
    """A clip's embedding and its quality."""

    embedding: Embedding
    quality: AudioQuality


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Two voices compared, and what the answer rests on."""

    llr: float
    decision: Decision
    reasons: tuple[Reason, ...]
    policy_id: str
    threshold_llr: float
    calibration_id: str
    model_fingerprint: str
    enrolment_net_speech_s: float
    test_net_speech_s: float
    score: float

    @property
    def accepted(self) -> bool:
        return self.decision is Decision.ACCEPT


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityMatch:
    """A profile that may be the voice; margin = LLR minus the next best profile's, inf when it is alone."""

    profile_id: str
    display_name: str
    llr: float
    margin: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Identification:
    """Open-set answer; no matches means none of the enrolled."""

    matches: tuple[IdentityMatch, ...]
    decision: Decision
    reasons: tuple[Reason, ...]
    policy_id: str
    threshold_llr: float
    calibration_id: str
    model_fingerprint: str
    net_speech_s: float
    num_searched: int

    @property
    def best(self) -> IdentityMatch | None:
        return self.matches[0] if self.matches else None


@dataclass(frozen=True, slots=True, order=True)
class TimeSpan:
    """A stretch of time."""

    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True, order=True)
class SpeakerTurn:
    """One speaker's uninterrupted stretch of speech."""

    span: TimeSpan
    speaker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DiarizedSpeaker:
    """One speaker of a recording."""

    label: str
    speech_s: float
    embedding: Embedding | None = None
    profile: IdentityMatch | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiarizationResult:
    """Who spoke when: turns by start, where two or more overlap, speakers by first turn."""

    turns: tuple[SpeakerTurn, ...]
    overlaps: tuple[TimeSpan, ...]
    speakers: tuple[DiarizedSpeaker, ...]
    duration_s: float
    model_fingerprint: str

    def to_rttm(self, recording: str) -> str:
        """The turns in NIST's RTTM, one line each. `recording` names the file and must hold no white space."""
        if not recording or any(character.isspace() for character in recording):
            raise ValueError(f"recording must be a name without white space, got {recording!r}")
        return "".join(
            f"SPEAKER {recording} 1 {turn.span.start_s:.3f} {turn.span.duration_s:.3f} "
            f"<NA> <NA> {turn.speaker} <NA> <NA>\n"
            for turn in self.turns
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A person as the service knows them; expire_time None = never."""

    profile_id: str
    display_name: str
    consent_reference: str
    create_time: datetime
    expire_time: datetime | None
    num_enrolments: int
    net_speech_s: float
    model_fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentWarning:
    """Something a person should look at; the enrolment happened all the same."""

    kind: WarningKind
    message: str
    utterance: int | None
    other_profile_id: str
    llr: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentResult:
    """A profile after an enrolment, the quality of each utterance and what is doubtful."""

    profile: Profile
    qualities: tuple[AudioQuality, ...]
    warnings: tuple[EnrolmentWarning, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """One enrolled utterance."""

    enrolment_id: int
    create_time: datetime
    embedding: Embedding


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileExport:
    """Everything the service holds about one person."""

    profile: Profile
    enrolments: tuple[Enrolment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfilePage:
    """One page of profiles; an empty token means it was the last."""

    profiles: tuple[Profile, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model or calibration the server runs."""

    name: str
    role: str
    fingerprint: str
    licence: str
    runtime: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FairnessReport:
    """Error rates by group, as JSON and as one page."""

    report_json: str
    report_html: str
