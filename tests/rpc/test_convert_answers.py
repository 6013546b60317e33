"""Answers of the pipelines, over the contract, are the client's results with the same content."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TypeVar

import numpy as np
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from equivox import responses
from svc.rpc import convert_answers
from svc.rpc.convert import LAST_SECOND, from_quality
from svc.types import (
    AudioQuality,
    DiarizationResult,
    DiarizedSpeaker,
    Enrolment,
    EnrolmentResult,
    EnrolmentWarning,
    EnrolmentWarningKind,
    Identification,
    IdentityMatch,
    Profile,
    Span,
    Turn,
    Verification,
    Voiceprint,
)

Sent = TypeVar("Sent", bound=Message)

# Names and enums are drawn by their types. What the contract holds in 32 bits is drawn in as many.
NUMBERS, SECONDS = st.floats(allow_nan=False), st.floats(0, 1e5, width=32)
COUNTS, MOMENTS_S = st.integers(0, 2**32 - 1), st.integers(0, LAST_SECOND).map(float)
MEASURED = {"snr_db": st.floats(allow_nan=False, width=32), "clipped_share": st.floats(0, 1, width=32)}
QUALITIES = st.builds(AudioQuality, duration_s=SECONDS, net_speech_s=SECONDS, **MEASURED)
VOICEPRINTS = st.builds(
    Voiceprint, vector=arrays(np.float32, 4, elements=st.floats(-1, 1, width=32)), net_speech_s=SECONDS, **MEASURED
)
VERIFICATIONS = st.builds(
    Verification,
    llr=NUMBERS,
    threshold_llr=NUMBERS,
    enrolment_net_speech_s=SECONDS,
    test_net_speech_s=SECONDS,
    score=NUMBERS,
)
MATCHES = st.builds(IdentityMatch, llr=NUMBERS, margin=NUMBERS)
IDENTIFICATIONS = st.builds(
    Identification,
    matches=st.lists(MATCHES, max_size=3).map(tuple),
    threshold_llr=NUMBERS,
    net_speech_s=SECONDS,
    num_searched=COUNTS,
)
SPANS = st.builds(Span, NUMBERS, NUMBERS)
SPEAKERS = st.builds(DiarizedSpeaker, speech_s=NUMBERS, voiceprint=st.none() | VOICEPRINTS, profile=st.none() | MATCHES)
DIARIZATIONS = st.builds(
    DiarizationResult,
    turns=st.lists(st.builds(Turn, SPANS), max_size=3).map(tuple),
    overlaps=st.lists(SPANS, max_size=3).map(tuple),
    speakers=st.lists(SPEAKERS, max_size=3).map(tuple),
    duration_s=NUMBERS,
)
PROFILES = st.builds(
    Profile,
    created_at_s=MOMENTS_S,
    expires_at_s=st.none() | MOMENTS_S,
    num_enrolments=COUNTS,
    net_speech_s=SECONDS,
)
WARNINGS = st.builds(
    EnrolmentWarning,
    kind=st.sampled_from(EnrolmentWarningKind),
    utterance=st.none() | COUNTS,
    other_profile_id=st.text(max_size=5),
    llr=NUMBERS,
)
ENROLMENT_RESULTS = st.builds(
    EnrolmentResult,
    profile=PROFILES,
    qualities=st.lists(QUALITIES, max_size=3).map(tuple),
    warnings=st.lists(WARNINGS, max_size=3).map(tuple),
)
ENROLMENTS = st.builds(Enrolment, st.integers(-(2**63), 2**63 - 1), MOMENTS_S, VOICEPRINTS)
# What a caller knows by another name; he is told no tenant, since it is his.
CLIENTS_NAMES = {
    "vector": "values",
    "voiceprint": "embedding",
    "created_at_s": "create_time",
    "expires_at_s": "expire_time",
}


def content(value: object) -> object:
    """Dataclasses of either side as the values in them, under the client's names; an enum's value is its name."""
    match value:
        case tuple():
            return [content(each) for each in value]
        case np.ndarray():
            return value.tolist()
        case Enum():
            return value.name
    if not hasattr(value, "__dataclass_fields__"):
        return value
    parts = {field.name: content(getattr(value, field.name)) for field in fields(value)}  # type: ignore[arg-type]
    return {CLIENTS_NAMES.get(name, name): moment_of(name, part) for name, part in parts.items() if name != "tenant"}


def moment_of(name: str, value: object) -> object:
    """Unix seconds as the client's moment."""
    if name not in ("created_at_s", "expires_at_s") or not isinstance(value, float):
        return value
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value)


def received(message: Sent) -> Sent:
    """As it arrives."""
    return type(message).FromString(message.SerializeToString())


@given(QUALITIES)
def test_a_quality_arrives_as_it_was_measured(quality: AudioQuality) -> None:
    assert content(responses.read_quality(received(from_quality(quality)))) == content(quality)


@given(VERIFICATIONS)
def test_a_verification_arrives_as_it_was_decided(verification: Verification) -> None:
    message = received(convert_answers.from_verification(verification))
    assert content(responses.read_verification(message)) == content(verification)


@given(IDENTIFICATIONS)
def test_an_identification_arrives_as_it_was_decided(identification: Identification) -> None:
    message = received(convert_answers.from_identification(identification))
    assert content(responses.read_identification(message)) == content(identification)


@given(DIARIZATIONS)
def test_a_diarization_arrives_as_it_was_heard(result: DiarizationResult) -> None:
    message = received(convert_answers.from_diarization(result, with_embeddings=True))
    assert content(responses.read_diarization(message)) == content(result)


@given(DIARIZATIONS)
def test_embeddings_of_a_diarization_come_only_to_those_who_ask(result: DiarizationResult) -> None:
    message = received(convert_answers.from_diarization(result, with_embeddings=False))
    speakers = responses.read_diarization(message).speakers
    assert [speaker.embedding for speaker in speakers] == [None] * len(result.speakers)
    assert [content(speaker.profile) for speaker in speakers] == [content(each.profile) for each in result.speakers]


@given(PROFILES)
def test_a_profile_arrives_as_it_is_kept(profile: Profile) -> None:
    assert content(responses.read_profile(received(convert_answers.from_profile(profile)))) == content(profile)


@given(WARNINGS)
def test_a_warning_of_an_enrolment_arrives_as_it_was_given(warning: EnrolmentWarning) -> None:
    assert content(responses.read_warning(received(convert_answers.from_warning(warning)))) == content(warning)


@given(ENROLMENT_RESULTS)
def test_an_enrolments_result_arrives_as_it_was(result: EnrolmentResult) -> None:
    message = received(convert_answers.from_enrolment_result(result))
    assert content(responses.read_enrolment_result(message)) == content(result)


@given(ENROLMENTS)
def test_an_enrolment_is_exported_as_it_is_kept(enrolment: Enrolment) -> None:
    assert content(responses.read_enrolment(received(convert_answers.from_enrolment(enrolment)))) == content(enrolment)
