"""Messages to types and back; what a message alone shows to be wrong is the caller's error, with its field."""

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from equivox.v1 import audio_pb2, profiles_pb2, verification_pb2
from equivox.v1.audio_pb2 import Audio, PcmAudio
from equivox.v1.embeddings_pb2 import Embedding
from equivox.v1.verification_pb2 import CostPolicy, Policy
from svc.audio.decode import PcmEncoding
from svc.config import AudioConfig
from svc.errors import (
    AudioMissingError,
    AudioTooLongError,
    AudioTruncatedError,
    InvalidRequestError,
    PolicyUnknownError,
    RateUnsupportedError,
    ServiceError,
)
from svc.rpc import convert, convert_answers
from svc.rpc.convert import (
    LAST_SECOND,
    RequestClips,
    from_unix_s,
    from_voiceprint,
    to_max_matches,
    to_page_size,
    to_policy,
    to_unix_s,
    to_voiceprint,
    to_waveform,
)
from svc.scoring.policy import Policies
from svc.types import Band, Decision, EnrolmentWarningKind, Reason, Voiceprint
from tests.contract_names import numbers_by_name

LIMITS = AudioConfig(max_bytes=10_000)
ENUMS: list[tuple[Mapping[Any, int], Any, type[Enum]]] = [
    ({ours: number for number, ours in convert.PCM_ENCODINGS.items()}, audio_pb2.PcmEncoding, PcmEncoding),
    (convert.BANDS, audio_pb2.Band, Band),
    (convert.DECISIONS, verification_pb2.Decision, Decision),
    (convert.REASONS, verification_pb2.Reason, Reason),
    (convert_answers.WARNING_KINDS, profiles_pb2.EnrolmentWarningKind, EnrolmentWarningKind),
]


def voiceprint(dimension: int = 4) -> Voiceprint:
    vector = np.zeros(dimension, np.float32)
    vector[-1] = 1
    return Voiceprint(
        vector=vector, model_fingerprint="abc", net_speech_s=2.5, band=Band.WIDE, snr_db=12.0, clipped_share=0.25
    )


def pcm(**changes: object) -> Audio:
    return Audio(pcm=PcmAudio(**{"encoding": 1, "sample_rate_hz": 8000, "samples": b"ab"} | changes))  # type: ignore[arg-type]


def costs(**changes: float) -> Policy:
    return Policy(costs=CostPolicy(**{"prior": 0.5, "cost_false_accept": 1.0, "cost_false_reject": 1.0} | changes))


def back(embedding: Embedding) -> Voiceprint:
    return to_voiceprint(embedding, field="test.embedding", fingerprint="abc", dimension=4)


@pytest.mark.parametrize(("table", "contract", "ours"), ENUMS, ids=lambda part: getattr(part, "__name__", ""))
def test_every_value_of_the_contract_is_the_one_of_ours_with_its_name(
    table: Mapping[Any, int],
    contract: Any,  # noqa: ANN401 - a generated enum
    ours: type[Enum],
) -> None:
    assert {value.name: number for value, number in table.items()} == numbers_by_name(contract)
    assert set(ours) == table.keys()


@given(st.lists(st.floats(-1, 1, width=32), min_size=4, max_size=4).filter(lambda v: np.linalg.norm(v) > 0.1))
def test_a_voiceprint_survives_the_wire(values: list[float]) -> None:
    vector = np.array(values, np.float32)
    before = voiceprint()
    before.vector[:] = vector / np.linalg.norm(vector)
    after = back(Embedding.FromString(from_voiceprint(before).SerializeToString()))
    np.testing.assert_array_equal(after.vector, before.vector)
    assert (after.net_speech_s, after.band, after.snr_db, after.clipped_share) == (2.5, Band.WIDE, 12.0, 0.25)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"values": []}, "values"),
        ({"values": [0.0] * 4}, "values"),
        ({"values": [math.nan, 0, 0, 1]}, "values"),
        ({"values": [math.inf, 0, 0, 1]}, "values"),
        ({"values": [1e38] * 4}, "values"),
        ({"values": [1.0, 1.0, 0, 0]}, "values"),
        ({"values": [0.0, 1.0]}, "values"),
        ({"model_fingerprint": ""}, "model_fingerprint"),
        ({"net_speech_s": 0.0}, "net_speech_s"),
        ({"net_speech_s": math.inf}, "net_speech_s"),
        ({"net_speech_s": math.nan}, "net_speech_s"),
        ({"band": 0}, "band"),
        ({"band": 99}, "band"),
        ({"snr_db": math.nan}, "snr_db"),
        ({"clipped_share": -0.1}, "clipped_share"),
        ({"clipped_share": math.nan}, "clipped_share"),
    ],
)
def test_an_embedding_changed_on_the_way_is_refused_by_field(change: dict[str, object], field: str) -> None:
    embedding = from_voiceprint(voiceprint())
    for name in change:
        embedding.ClearField(name)
    embedding.MergeFrom(Embedding(**change))  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError) as caught:
        back(embedding)
    assert caught.value.field == f"test.embedding.{field}"


def test_an_embedding_of_another_model_may_have_another_dimension() -> None:
    embedding = from_voiceprint(voiceprint(7))
    embedding.model_fingerprint = "another"
    assert len(back(embedding).vector) == 7


@pytest.mark.parametrize(
    ("audio", "kind", "field"),
    [
        (Audio(), AudioMissingError, "audio"),
        (pcm(encoding=0), InvalidRequestError, "audio.pcm.encoding"),
        (pcm(encoding=77), InvalidRequestError, "audio.pcm.encoding"),
        (pcm(sample_rate_hz=7), RateUnsupportedError, "audio.pcm.sample_rate_hz"),
        (pcm(samples=b"abc"), AudioTruncatedError, "audio.pcm.samples"),
        (Audio(container=b""), AudioMissingError, "audio.container"),
    ],
)
def test_audio_that_cannot_be_read_names_its_field(audio: Audio, kind: type[ServiceError], field: str) -> None:
    with pytest.raises(kind) as caught:
        to_waveform(audio, field="audio", limits=LIMITS)
    assert caught.value.field == field


def test_pcm_arrives_as_it_was_sent() -> None:
    samples = np.array([0, 1 << 14, -(1 << 15), 100] * 100, "<i2")
    audio = Audio(pcm=PcmAudio(encoding=audio_pb2.PCM_ENCODING_S16LE, sample_rate_hz=8000, samples=samples.tobytes()))
    waveform = to_waveform(audio, field="audio", limits=LIMITS)
    np.testing.assert_allclose(waveform.samples, samples / 2**15, atol=1e-7)
    assert waveform.sample_rate_hz == 8000


def test_the_clip_with_which_a_request_lasts_too_long_is_named() -> None:
    clips = RequestClips(AudioConfig(max_duration_s=2.5))
    second = pcm(samples=bytes(2 * 8000))
    lengths_s = [clips.decode(second, field=f"utterances[{number}]").duration_s for number in range(2)]
    assert lengths_s == [1.0, 1.0]
    with pytest.raises(AudioTooLongError, match=r"last 3 s up to here, more than 2\.5 s") as caught:
        clips.decode(second, field="utterances[2]")
    assert caught.value.field == "utterances[2]"


def test_no_policy_is_the_servers_own() -> None:
    assert to_policy(Policy(), Policies(default="strict")).policy_id == "strict"


@pytest.mark.parametrize(
    ("policy", "kind", "field"),
    [
        (Policy(name="nonesuch"), PolicyUnknownError, "policy.name"),
        (costs(prior=0.0), InvalidRequestError, "policy.costs.prior"),
        (costs(prior=math.nan), InvalidRequestError, "policy.costs.prior"),
        (costs(cost_false_accept=0.0), InvalidRequestError, "policy.costs.cost_false_accept"),
        (costs(inconclusive_band=-1.0), InvalidRequestError, "policy.costs.inconclusive_band"),
    ],
)
def test_an_impossible_policy_is_refused_by_field(policy: Policy, kind: type[ServiceError], field: str) -> None:
    with pytest.raises(kind) as caught:
        to_policy(policy, Policies())
    assert caught.value.field == field


@given(st.floats(0, 250_000_000_000))
def test_times_survive_the_wire_to_the_microsecond(seconds: float) -> None:
    assert to_unix_s(from_unix_s(seconds), field="expire_time") == pytest.approx(seconds, abs=1e-6, rel=1e-15)


@pytest.mark.parametrize("moment", [Timestamp(seconds=-1), Timestamp(seconds=2**62), Timestamp(nanos=-1)])
def test_a_time_out_of_range_is_the_callers_error(moment: Timestamp) -> None:
    with pytest.raises(InvalidRequestError, match="expire_time"):
        to_unix_s(moment, field="expire_time")


@pytest.mark.parametrize("nanos", [0, 1, 999_999_000, 999_999_999])
def test_the_end_of_the_last_year_comes_back_as_its_last_second(nanos: int) -> None:
    last = Timestamp(seconds=LAST_SECOND, nanos=nanos)
    assert from_unix_s(to_unix_s(last, field="expire_time")) == Timestamp(seconds=LAST_SECOND)


def test_a_stored_expiry_past_the_last_second_is_told_as_that() -> None:
    assert from_unix_s(LAST_SECOND + 1.0) == Timestamp(seconds=LAST_SECOND)


def test_zero_counts_mean_the_default_and_too_many_are_refused() -> None:
    assert (to_max_matches(0), to_max_matches(7), to_page_size(0), to_page_size(1000)) == (5, 7, 100, 1000)
    with pytest.raises(InvalidRequestError, match="max_matches"):
        to_max_matches(101)
