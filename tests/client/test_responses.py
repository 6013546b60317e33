"""Messages to dataclasses, for what a canned answer of the toy server does not show."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equivox import Decision, Reason, responses, results
from equivox.requests import to_timestamp
from equivox.v1 import audio_pb2, diarization_pb2, embeddings_pb2, profiles_pb2, verification_pb2
from tests.contract_names import numbers_by_name


@pytest.mark.parametrize(
    ("contract", "known"),
    [
        (verification_pb2.Reason, responses._REASONS),
        (verification_pb2.Decision, responses._DECISIONS),
        (profiles_pb2.EnrolmentWarningKind, responses._WARNINGS),
        (audio_pb2.Band, responses._BANDS),
    ],
)
def test_every_value_of_the_contract_is_known_by_its_name(contract: Any, known: Mapping[int, Enum]) -> None:  # noqa: ANN401
    assert {ours.name: number for number, ours in known.items()} == numbers_by_name(contract)


def test_values_of_a_newer_server_never_turn_into_an_acceptance() -> None:
    response = verification_pb2.VerifyResponse.FromString(b"\x10\x63\x1a\x01\x63")  # decision 99, reasons [99]
    result = responses.read_verification(response)
    assert (result.decision, result.reasons) == (Decision.INCONCLUSIVE, (Reason.OTHER,))


def test_what_is_unset_is_none() -> None:
    assert responses.read_speaker(diarization_pb2.DiarizedSpeaker(label="S1")).embedding is None
    assert responses.read_profile(profiles_pb2.Profile()).expire_time is None
    assert responses.read_warning(profiles_pb2.EnrolmentWarning()).utterance is None


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 30), timezones=st.just(UTC)))
def test_moments_survive_the_wire_to_the_microsecond(moment: datetime) -> None:
    stamp = to_timestamp(moment)
    assert stamp is not None
    assert responses.read_moment(stamp) == moment


@pytest.mark.parametrize("name", ["", "two words", "a\tb"])
def test_rttm_refuses_a_name_that_breaks_its_columns(name: str) -> None:
    result = results.DiarizationResult(turns=(), overlaps=(), speakers=(), duration_s=0, model_fingerprint="")
    with pytest.raises(ValueError, match="white space"):
        result.to_rttm(name)


def test_long_vectors_stay_out_of_representations() -> None:
    read: Callable[[Any], results.Embedding] = responses.read_embedding
    assert "0.5" not in repr(read(embeddings_pb2.Embedding(values=[0.5] * 192)))
