"""Requests held to their limit before anybody works on them."""

from contextlib import suppress

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from equivox.v1.audio_pb2 import Audio, PcmAudio
from equivox.v1.profiles_pb2 import EnrollRequest
from equivox.v1.verification_pb2 import IdentifyRequest
from svc.errors import AudioTooLongError, InvalidRequestError
from svc.rpc.parsing import MESSAGE_MARGIN_BYTES, RequestParser, content_sizes


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
        assert RequestParser(0).of(EnrollRequest.FromString)(raw) == expected
        return
    with pytest.raises(InvalidRequestError, match="not a message"):
        RequestParser(0).of(EnrollRequest.FromString)(raw)


def test_too_many_bytes_without_audio_are_no_audio_error() -> None:
    request = IdentifyRequest(profile_ids=["x" * (MESSAGE_MARGIN_BYTES + 10)])
    with pytest.raises(InvalidRequestError, match="split it") as caught:
        RequestParser(5).of(IdentifyRequest.FromString)(request.SerializeToString())
    assert caught.value.field == ""


def test_the_margin_is_for_what_is_not_audio() -> None:
    clip = Audio(container=bytes(MESSAGE_MARGIN_BYTES))
    assert RequestParser(100).of(Audio.FromString)(clip.SerializeToString()) == clip
    with pytest.raises(AudioTooLongError):
        RequestParser(0).of(Audio.FromString)(clip.SerializeToString())
