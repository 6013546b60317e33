"""Requests held to their limit before anybody works on them."""

from contextlib import suppress

import pytest
from google.protobuf.message import DecodeError, Message
from hypothesis import given
from hypothesis import strategies as st

from equivox.v1.audio_pb2 import Audio, PcmAudio
from equivox.v1.profiles_pb2 import EnrollRequest
from equivox.v1.transcription_pb2 import TranscribeRequest
from equivox.v1.verification_pb2 import IdentifyRequest
from svc.errors import AudioTooLongError, InvalidRequestError
from svc.rpc.parsing import MAX_FIELDS, MESSAGE_MARGIN_BYTES, RequestParser, content_sizes, request_type


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 50)), max_size=5))
def test_content_is_found_wherever_it_is(clips: list[tuple[bool, int]]) -> None:
    utterances = [
        Audio(pcm=PcmAudio(samples=bytes(size))) if is_pcm else Audio(container=bytes(size)) for is_pcm, size in clips
    ]
    names = [f"utterances[{n}].{'pcm.samples' if is_pcm else 'container'}" for n, (is_pcm, _) in enumerate(clips)]
    found = list(content_sizes(EnrollRequest(profile_id="ann", utterances=utterances)))
    assert found == list(zip(names, [size for _, size in clips], strict=True))


@given(st.binary(max_size=40))
def test_bytes_are_parsed_as_ever_and_refused_where_they_cannot_be(raw: bytes) -> None:
    with suppress(DecodeError):
        expected = EnrollRequest.FromString(raw)
        assert RequestParser(0).of(EnrollRequest)(raw) == expected
        return
    with pytest.raises(InvalidRequestError, match="not a message"):
        RequestParser(0).of(EnrollRequest)(raw)


def test_too_many_bytes_without_audio_are_no_audio_error() -> None:
    request = IdentifyRequest(profile_ids=["x" * (MESSAGE_MARGIN_BYTES + 10)])
    with pytest.raises(InvalidRequestError, match="split it") as caught:
        RequestParser(5).of(IdentifyRequest)(request.SerializeToString())
    assert caught.value.field == ""


def test_the_margin_is_for_what_is_not_audio() -> None:
    clip = Audio(container=bytes(MESSAGE_MARGIN_BYTES))
    assert RequestParser(100).of(Audio)(clip.SerializeToString()) == clip
    with pytest.raises(AudioTooLongError):
        RequestParser(0).of(Audio)(clip.SerializeToString())


EMPTY_CLIP, EMPTY_ID, KEEP_ALIVE, UNKNOWN = b"\x12\x00", b"\x22\x00", b"\x1a\x00", b"\x78\x00"
NO_MESSAGE = b"\xff" * 20


@pytest.mark.parametrize("max_bytes", [0, 10**9])
@pytest.mark.parametrize(
    ("kind", "field", "name"),
    [
        (EnrollRequest, EMPTY_CLIP, "utterances"),
        (EnrollRequest, b"\x12\x02" + UNKNOWN, "utterances"),
        (IdentifyRequest, EMPTY_ID, "profile_ids"),
        (TranscribeRequest, KEEP_ALIVE, "keep_alive"),
        (TranscribeRequest, UNKNOWN, ""),
    ],
)
def test_fields_too_many_are_refused_by_name_without_a_look_at_what_follows(
    max_bytes: int, kind: type[Message], field: bytes, name: str
) -> None:
    with pytest.raises(InvalidRequestError, match="10000 fields") as caught:
        RequestParser(max_bytes).of(kind)((MAX_FIELDS + 1) * field + NO_MESSAGE)
    assert caught.value.field == name


def test_some_thousands_of_profiles_may_be_named() -> None:
    request = IdentifyRequest(profile_ids=["ann"] * 9_900)
    assert RequestParser(10**9).of(IdentifyRequest)(request.SerializeToString()) == request


def test_a_method_tells_what_its_callers_send() -> None:
    assert request_type("/equivox.v1.Profiles/Enroll") is EnrollRequest
