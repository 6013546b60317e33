"""Between the contract's messages and the rooms' types. What a message alone shows to be wrong is refused here."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp

from equivox.v1 import audio_pb2, embeddings_pb2, verification_pb2
from svc.audio.decode import PcmEncoding, decode_container, decode_pcm
from svc.config import AudioConfig
from svc.errors import AudioMissingError, AudioTooLongError, InvalidRequestError, ServiceError
from svc.rpc.call import note_audio
from svc.rpc.offload import HeavyRequest, decodable_s
from svc.scoring.policy import Policies, Policy, policy_from_costs
from svc.types import AudioQuality, Band, Decision, Reason, Voiceprint, Waveform

PCM_ENCODINGS = {
    audio_pb2.PCM_ENCODING_S16LE: PcmEncoding.S16LE,
    audio_pb2.PCM_ENCODING_F32LE: PcmEncoding.F32LE,
    audio_pb2.PCM_ENCODING_MULAW: PcmEncoding.MULAW,
    audio_pb2.PCM_ENCODING_ALAW: PcmEncoding.ALAW,
}
BANDS = {Band.TELEPHONE: audio_pb2.BAND_TELEPHONE, Band.WIDE: audio_pb2.BAND_WIDE}
BANDS_BACK = {number: band for band, number in BANDS.items()}
DECISIONS = {
    Decision.ACCEPT: verification_pb2.DECISION_ACCEPT,
    Decision.REJECT: verification_pb2.DECISION_REJECT,
    Decision.INCONCLUSIVE: verification_pb2.DECISION_INCONCLUSIVE,
}
REASONS = {
    Reason.TOO_LITTLE_SPEECH: verification_pb2.REASON_TOO_LITTLE_SPEECH,
    Reason.LOW_SNR: verification_pb2.REASON_LOW_SNR,
    Reason.CLIPPED: verification_pb2.REASON_CLIPPED,
    Reason.NEAR_THRESHOLD: verification_pb2.REASON_NEAR_THRESHOLD,
    Reason.BAND_MISMATCH: verification_pb2.REASON_BAND_MISMATCH,
    Reason.AMBIGUOUS: verification_pb2.REASON_AMBIGUOUS,
}
MAX_MATCHES, DEFAULT_MATCHES = 100, 5
DEFAULT_PAGE_SIZE = 100
# float32 rounding of a unit vector leaves its length within 1e-6 of 1; more is a vector that was changed on the way.
UNIT_TOLERANCE = 1e-3
LAST_SECOND = 253_402_300_799  # 9999-12-31, the end of google.protobuf.Timestamp


@contextmanager
def at_field(field: str) -> Iterator[None]:
    """Domain errors raised inside name the field of the request they came from."""
    try:
        yield
    except ServiceError as error:
        error.field = f"{field}.{error.field}" if error.field else field
        raise


def to_waveform(audio: audio_pb2.Audio, *, field: str, limits: AudioConfig) -> Waveform:
    """Decodes; (N,) mono at the audio's own rate."""
    with at_field(field):
        waveform = _decode(audio, limits)
    note_audio(waveform.duration_s)
    return waveform


class RequestClips:
    """Decodes the clips of one request, which together may last `limits.max_duration_s`.

    Raises HeavyRequest where they last longer than this thread may decode; it never holds more than that.
    """

    def __init__(self, limits: AudioConfig) -> None:
        self.limits = limits
        self.total_s = 0.0

    def decode(self, audio: audio_pb2.Audio, *, field: str) -> Waveform:
        """As to_waveform. Raises AudioTooLongError for the clip with which they last too long."""
        most_here_s = max(1.0, decodable_s.get() - self.total_s)
        limits = replace(self.limits, max_duration_s=min(self.limits.max_duration_s, most_here_s))
        try:
            waveform = to_waveform(audio, field=field, limits=limits)
        except AudioTooLongError as error:
            if limits == self.limits:
                raise
            raise self._to_heavy() from error
        self.total_s += waveform.duration_s
        if self.total_s > decodable_s.get():
            raise self._to_heavy()
        if self.total_s > self.limits.max_duration_s:
            raise AudioTooLongError(
                f"the clips last {self.total_s:g} s up to here, more than {self.limits.max_duration_s:g} s, the most "
                "one request may carry: send shorter ones, or fewer at a time",
                field=field,
            )
        return waveform

    def _to_heavy(self) -> HeavyRequest:
        note_audio(-self.total_s)  # a heavy thread decodes and counts it anew
        return HeavyRequest()


def _decode(audio: audio_pb2.Audio, limits: AudioConfig) -> Waveform:
    channel = audio.channel if audio.HasField("channel") else None
    match audio.WhichOneof("content"):
        case "pcm":
            return _decode_pcm(audio.pcm, channel, limits)
        case "container":
            declared_rate_hz = audio.declared_sample_rate_hz or None
            return decode_container(audio.container, declared_rate_hz=declared_rate_hz, channel=channel, limits=limits)
        case _:
            raise AudioMissingError("no audio: set either pcm or container")


def _decode_pcm(pcm: audio_pb2.PcmAudio, channel: int | None, limits: AudioConfig) -> Waveform:
    if pcm.encoding not in PCM_ENCODINGS:
        raise InvalidRequestError(
            f"encoding {pcm.encoding} is not one of S16LE, F32LE, MULAW, ALAW", field="pcm.encoding"
        )
    return decode_pcm(
        pcm.samples,
        encoding=PCM_ENCODINGS[pcm.encoding],
        sample_rate_hz=pcm.sample_rate_hz,
        num_channels=pcm.num_channels or 1,
        channel=channel,
        limits=limits,
    )


def to_voiceprint(embedding: embeddings_pb2.Embedding, *, field: str, fingerprint: str, dimension: int) -> Voiceprint:
    """An embedding that came back from a caller; `fingerprint` and `dimension` are those of the model in use."""
    with at_field(field):
        vector = np.array(embedding.values, np.float32)  # (D,)
        _check_embedding(embedding, vector)
        if embedding.model_fingerprint == fingerprint and len(vector) != dimension:
            raise InvalidRequestError(
                f"model {fingerprint} makes {dimension} values, got {len(vector)}", field="values"
            )
    return Voiceprint(
        vector=vector,
        model_fingerprint=embedding.model_fingerprint,
        net_speech_s=embedding.net_speech_s,
        band=BANDS_BACK[embedding.band],
        snr_db=embedding.snr_db,
        clipped_share=embedding.clipped_share,
    )


def _check_embedding(embedding: embeddings_pb2.Embedding, vector: np.ndarray) -> None:
    as_received = "send the embedding as Embed returned it"
    # Written so that NaN fails too.
    if not abs(float(np.linalg.norm(vector.astype(np.float64))) - 1) < UNIT_TOLERANCE:
        raise InvalidRequestError(f"values must be finite and of unit length; {as_received}", field="values")
    if not embedding.model_fingerprint:
        raise InvalidRequestError(f"model_fingerprint is empty; {as_received}", field="model_fingerprint")
    if not (embedding.net_speech_s > 0 and math.isfinite(embedding.net_speech_s)):
        raise InvalidRequestError(f"net_speech_s must be finite and > 0; {as_received}", field="net_speech_s")
    if embedding.band not in BANDS_BACK:
        raise InvalidRequestError(f"band must be TELEPHONE or WIDE; {as_received}", field="band")
    if math.isnan(embedding.snr_db):
        raise InvalidRequestError(f"snr_db is not a number; {as_received}", field="snr_db")
    if not 0 <= embedding.clipped_share <= 1:
        raise InvalidRequestError(f"clipped_share must lie in 0..1; {as_received}", field="clipped_share")


def to_policy(policy: verification_pb2.Policy, policies: Policies) -> Policy:
    """The caller's policy, or the server's default one."""
    if policy.WhichOneof("kind") != "costs":
        with at_field("policy"):
            return policies.named(policy.name)
    costs = policy.costs
    with at_field("policy.costs"):
        return policy_from_costs(costs.prior, costs.cost_false_accept, costs.cost_false_reject, costs.inconclusive_band)


def to_max_matches(number: int) -> int:
    """0 means the default."""
    if number > MAX_MATCHES:
        raise InvalidRequestError(f"max_matches must be 1 to {MAX_MATCHES}, got {number}", field="max_matches")
    return number or DEFAULT_MATCHES


def to_profile_ids(profile_ids: Sequence[str]) -> tuple[str, ...]:
    """The profiles to search; none = all."""
    for number, profile_id in enumerate(profile_ids):
        if not profile_id:
            raise InvalidRequestError("the id of a profile is empty", field=f"profile_ids[{number}]")
    return tuple(profile_ids)


def to_page_size(number: int) -> int:
    """0 means the default; the store refuses what is too large."""
    return number or DEFAULT_PAGE_SIZE


def to_unix_s(moment: Timestamp, *, field: str) -> float:
    """Seconds since 1970, at most LAST_SECOND: a float would round the last instant of 9999 up, out of range."""
    if not (0 <= moment.seconds <= LAST_SECOND and 0 <= moment.nanos < 1_000_000_000):
        raise InvalidRequestError(f"{field} is no valid time between the years 1970 and 9999", field=field)
    return min(moment.seconds + moment.nanos / 1e9, float(LAST_SECOND))


def from_unix_s(seconds: float) -> Timestamp:
    """The reverse of to_unix_s, to the microsecond; what is past LAST_SECOND, as old databases have it, is that."""
    moment = Timestamp()
    moment.FromMicroseconds(min(round(seconds * 1e6), LAST_SECOND * 10**6))
    return moment


def from_quality(quality: AudioQuality) -> audio_pb2.AudioQuality:
    return audio_pb2.AudioQuality(
        duration_s=quality.duration_s,
        net_speech_s=quality.net_speech_s,
        snr_db=quality.snr_db,
        clipped_share=quality.clipped_share,
        band=BANDS[quality.band],
    )


def from_voiceprint(voiceprint: Voiceprint) -> embeddings_pb2.Embedding:
    return embeddings_pb2.Embedding(
        values=voiceprint.vector.tolist(),
        model_fingerprint=voiceprint.model_fingerprint,
        net_speech_s=voiceprint.net_speech_s,
        band=BANDS[voiceprint.band],
        snr_db=voiceprint.snr_db,
        clipped_share=voiceprint.clipped_share,
    )
