"""Events of the pipeline, over the contract, are the client's events with the same content."""

from dataclasses import fields
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from equivox import transcripts
from equivox.streaming import read_event
from equivox.v1 import transcription_pb2
from svc.pipelines.live import transcription_events as events
from svc.pipelines.live.transcription_events import TranscriptionEvent, WarningReason
from svc.rpc.convert_transcription import from_event

SECONDS, TEXTS, TURNS = st.floats(0, 1e5), st.text(max_size=9), st.integers(0, 2**60)
SPEAKERS = st.builds(
    events.AttributedSpeaker,
    label=st.text(min_size=1, max_size=5),
    profile_id=st.none() | TEXTS,
    confidence=st.floats(0, 1),
)
WORDS = st.builds(
    events.TranscribedWord,
    turn_id=TURNS,
    text=TEXTS,
    start_s=SECONDS,
    end_s=SECONDS,
    channel=st.integers(0, 1),
    speaker=SPEAKERS,
)
MANY = st.lists(WORDS, max_size=3).map(tuple)
EVENTS = st.one_of(
    st.builds(events.TurnStarted, turn_id=TURNS, channel=st.integers(0, 1), start_s=SECONDS, cut_off=st.booleans()),
    st.builds(events.PartialWords, turn_id=TURNS, words=MANY),
    st.builds(events.FinalWord, word=WORDS),
    st.builds(events.TurnEnded, turn_id=TURNS, end_s=SECONDS, speaker=SPEAKERS, forced=st.booleans()),
    st.builds(events.SpeakerRevised, turn_id=TURNS, speaker=SPEAKERS),
    st.builds(events.TextRevised, turn_id=TURNS, words=MANY, end_s=st.none() | SECONDS),
)


def content(value: object) -> object:
    """Dataclasses of either side as the values in them."""
    if isinstance(value, tuple):
        return [content(each) for each in value]
    if hasattr(value, "__dataclass_fields__"):
        return {field.name: content(getattr(value, field.name)) for field in fields(value)}  # type: ignore[arg-type]
    return value


@given(EVENTS)
def test_an_event_arrives_as_it_was(event: TranscriptionEvent) -> None:
    message = transcription_pb2.TranscribeResponse.FromString(from_event(event).SerializeToString())
    arrived = read_event(message)
    assert type(arrived).__name__ == type(event).__name__
    assert content(arrived) == content(event)


@given(st.sampled_from(WarningReason), TEXTS)
def test_a_warning_arrives_with_its_reason_by_name(reason: WarningReason, message: str) -> None:
    sent = events.StreamWarning(reason=reason, message=message)
    assert read_event(from_event(sent)) == transcripts.StreamWarning(reason=reason.name, message=message)


def test_the_contract_names_every_reason_of_a_warning() -> None:
    contract = (Path(transcription_pb2.__file__).parent / "transcription.proto").read_text()
    assert all(reason.name in contract for reason in WarningReason)
