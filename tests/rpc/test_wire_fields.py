"""The fields on the wire are those of the message, and any bytes come to an end."""

from collections import Counter

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from equivox.v1.audio_pb2 import Audio, PcmAudio
from equivox.v1.embeddings_pb2 import Embedding
from equivox.v1.profiles_pb2 import EnrollRequest
from equivox.v1.verification_pb2 import CostPolicy, IdentifyRequest, Policy, Voice
from svc.rpc.wire_fields import field_names

CLIPS = st.one_of(
    st.builds(Audio),
    st.builds(Audio, container=st.binary(max_size=300), channel=st.integers(0, 2**32 - 1)),
    st.builds(
        Audio, pcm=st.builds(PcmAudio, samples=st.binary(max_size=300), sample_rate_hz=st.integers(0, 2**32 - 1))
    ),
)
VOICES = st.one_of(
    st.builds(Voice, audio=CLIPS),
    st.builds(Voice, embedding=st.builds(Embedding, values=st.lists(st.floats(width=32), max_size=3))),
)
POLICIES = st.one_of(st.builds(Policy), st.builds(Policy, costs=st.builds(CostPolicy, prior=st.floats())))
REQUESTS = st.one_of(
    st.builds(EnrollRequest, profile_id=st.text(max_size=9), utterances=st.lists(CLIPS, max_size=5)),
    st.builds(IdentifyRequest, test=VOICES, policy=POLICIES, profile_ids=st.lists(st.text(max_size=9), max_size=5)),
)


def num_fields(message: Message) -> int:
    """Of a message as parsed; numbers that lie packed are one."""
    found = 0
    for field, value in message.ListFields():
        values = list(value) if field.is_repeated and not field.is_packed else [value]
        found += len(values) + sum(num_fields(each) for each in values if isinstance(each, Message))
    return found


@given(REQUESTS)
def test_every_field_is_found_under_the_name_of_the_outermost(request: Message) -> None:
    found = Counter(field_names(request.SerializeToString(), type(request)))
    assert found.total() == num_fields(request)
    assert found.keys() == {field.name for field, _ in request.ListFields()}


@given(st.binary(max_size=60))
def test_any_bytes_come_to_an_end(raw: bytes) -> None:
    assert len(list(field_names(raw, EnrollRequest))) <= len(raw)


@pytest.mark.parametrize(
    ("raw", "names"),
    [
        (b"\x79" + bytes(8) + b"\x7d" + bytes(4), ["", ""]),
        (b"\x7b\x12\x02\x78\x00\x7c\x12\x02\x78\x00", ["", "", "", "utterances", "utterances"]),
        (b"\x12\x05\x78", ["utterances", "utterances"]),
        (b"\x7e\x12\x00", [""]),
        (b"\x80" * 100, []),
    ],
    ids=["eight and four bytes", "a group", "cut short", "no way to write a value", "a number without an end"],
)
def test_what_the_contract_does_not_have_is_found_too(raw: bytes, names: list[str]) -> None:
    assert list(field_names(raw, EnrollRequest)) == names
