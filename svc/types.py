"""Plain data that the rooms hand to each other: no behaviour beyond derived properties."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

MODEL_RATE_HZ = 16_000
"""Rate every model here listens at; everything is resampled to it once, on the way in."""


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
    """Why evidence is weak."""

    TOO_LITTLE_SPEECH = "too_little_speech"
    LOW_SNR = "low_snr"
    CLIPPED = "clipped"
    NEAR_THRESHOLD = "near_threshold"
    BAND_MISMATCH = "band_mismatch"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True, eq=False)
class Waveform:
    """One channel of speech: (N,) float32, full scale +-1."""

    samples: FloatArray
    sample_rate_hz: int

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.sample_rate_hz


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of time, in seconds from the start of the recording."""

    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioQuality:
    """What was measured on a clip before any decision is made on it."""

    duration_s: float
    net_speech_s: float
    snr_db: float
    clipped_share: float
    band: Band


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Voiceprint:
    """A voice as a unit-length vector (D,) with what is needed to score it later."""

    vector: FloatArray
    model_fingerprint: str
    net_speech_s: float
    band: Band
    snr_db: float
    clipped_share: float

    @classmethod
    def of(cls, vector: FloatArray, quality: AudioQuality, *, model_fingerprint: str) -> "Voiceprint":
        """The unit-length vector (D,) of a clip of this quality."""
        return cls(
            vector=vector,
            model_fingerprint=model_fingerprint,
            net_speech_s=quality.net_speech_s,
            band=quality.band,
            snr_db=quality.snr_db,
            clipped_share=quality.clipped_share,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Extraction:
    """A clip's voiceprint and its quality."""

    voiceprint: Voiceprint
    quality: AudioQuality


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Two voices compared, and what the answer rests on. LLRs are natural logarithms."""

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


@dataclass(frozen=True, slots=True, order=True)
class Turn:
    """One speaker's uninterrupted stretch of speech."""

    span: Span
    speaker: str


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DiarizedSpeaker:
    """One speaker of a recording; no voiceprint when there was too little clean speech for one."""

    label: str
    speech_s: float
    voiceprint: Voiceprint | None = None
    profile: IdentityMatch | None = None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DiarizationResult:
    """Who spoke when: turns by start, where two or more overlap, speakers by first turn."""

    turns: tuple[Turn, ...]
    overlaps: tuple[Span, ...]
    speakers: tuple[DiarizedSpeaker, ...]
    duration_s: float
    model_fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A person as the service knows them; times are Unix seconds, None = never expires."""

    tenant: str
    profile_id: str
    display_name: str
    consent_reference: str
    created_at_s: float
    expires_at_s: float | None
    num_enrolments: int
    net_speech_s: float
    model_fingerprint: str


@dataclass(frozen=True, slots=True, eq=False)
class Enrolment:
    """One enrolled utterance."""

    enrolment_id: int
    created_at_s: float
    voiceprint: Voiceprint


class EnrolmentWarningKind(Enum):
    """Kinds of doubtful enrolment."""

    INCOHERENT = "incoherent"
    DUPLICATE_VOICE = "duplicate_voice"
    POOR_QUALITY = "poor_quality"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentWarning:
    """Something a person should look at; the enrolment happened all the same."""

    kind: EnrolmentWarningKind
    message: str
    utterance: int | None = None
    other_profile_id: str = ""
    llr: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentResult:
    """A profile after an enrolment, the quality of each utterance and what is doubtful."""

    profile: Profile
    qualities: tuple[AudioQuality, ...]
    warnings: tuple[EnrolmentWarning, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognisedWord:
    """A word, its stretch in seconds from the first sample heard, and how probable the recogniser found it."""

    text: str
    start_s: float
    end_s: float
    probability: float
