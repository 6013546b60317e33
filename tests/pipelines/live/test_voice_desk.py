"""Voices taken in the background: late, never in another order, never lost, and nothing left behind."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svc.backends.call_scope import CallScope, current_call
from svc.errors import CallAbandonedError
from svc.pipelines.live.recent_sound import SoundStretch
from svc.pipelines.live.transcription_events import SpeakerRevised, TranscriptionEvent, TurnEnded, WarningReason
from svc.pipelines.live.turn_voices import TurnSpeech, VoiceFrames
from svc.pipelines.live.voice_desk import BackgroundDesk, VoiceDeskConfig, VoiceTakers
from svc.types import FloatArray
from tests.pipelines.live.attributed_stream import Account, Parts, attributed_stream, searching
from tests.pipelines.live.test_attribution import MIXTURE, TALK, BusyEmbedder, in_one_piece
from tests.pipelines.live.toy_conversation import Said, conversation
from tests.pipelines.toy_voices import HumEmbedder


@dataclass
class HeldEmbedder(HumEmbedder):
    """Works only while `may_work` is set."""

    may_work: threading.Event = field(default_factory=threading.Event)
    num_embedded: int = 0

    def embed(self, clips: Sequence[FloatArray]) -> FloatArray:
        assert self.may_work.wait(10)
        self.num_embedded += len(clips)
        return super().embed(clips)


@contextmanager
def takers(embedder: HumEmbedder, *, threads: int = 1, **limits: float) -> Iterator[VoiceTakers]:
    made = VoiceTakers(searching(embedder), VoiceDeskConfig(**limits), threads=threads)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        if isinstance(embedder, HeldEmbedder):
            embedder.may_work.set()
        made.close()


def run(made: VoiceTakers, cuts: Sequence[int] = ()) -> list[TranscriptionEvent]:
    live = attributed_stream(Parts(takers=made))
    events = [event for piece in np.split(MIXTURE, sorted(cuts)) for event in live.push(piece)]
    return events + live.close()


def speech(pitch_hz: float = 500.0) -> TurnSpeech:
    tone = 0.1 * np.sin(2 * np.pi * pitch_hz * np.arange(16_000) / 16_000)
    sound = SoundStretch(
        first_frame=0,
        frame_s=0.04,
        delay_s=0.0,
        channel=0,
        mixture=tone.astype(np.float32),
        active=np.tile([True, False], (25, 1)),
        masks=np.full((100, 80), 255, np.uint8),
    )
    voice_frames = VoiceFrames(sound.active[:, 0], alone_s=1.0)
    return TurnSpeech(start_s=0.0, sound=sound, voice_frames=voice_frames, pauses=np.zeros(1600, np.float32))


def asked(desk: BackgroundDesk, plan: Sequence[bool]) -> None:
    """One turn after the other: over, or still going on."""
    for turn_id, is_last in enumerate(plan):
        desk.ask(turn_id, speech(), is_last=is_last)


@settings(max_examples=4)
@given(st.lists(st.integers(0, len(MIXTURE)), max_size=20), st.integers(1, 3))
def test_the_same_words_by_the_same_people_as_without_threads(cuts: list[int], threads: int) -> None:
    with takers(HumEmbedder(), threads=threads, max_waiting=99, max_of_stream=99) as made:
        account, prompt = Account().read(run(made, cuts)), Account().read(in_one_piece())
    assert (account.labels(), account.texts()) == (prompt.labels(), prompt.texts())
    assert [[word.start_s for word in words] for words in account.words.values()] == [
        [word.start_s for word in words] for words in prompt.words.values()
    ]


def test_words_do_not_wait_for_voices_which_come_as_revisions() -> None:
    embedder = HeldEmbedder()
    with takers(embedder, max_waiting=99, max_of_stream=99) as made:
        live = attributed_stream(Parts(takers=made))
        early = live.push(MIXTURE)
        assert set(Account().read(early).labels()) == {("UNKNOWN",)}
        assert {event.speaker.label for event in early if isinstance(event, TurnEnded)} == {"UNKNOWN"}
        embedder.may_work.set()
        late = live.close()
    assert not [event for event in late if isinstance(event, TurnEnded)]
    assert Account().read(early + late).labels() == Account().read(in_one_piece()).labels()


def test_a_flush_waits_for_who_spoke() -> None:
    embedder = HeldEmbedder()
    with takers(embedder) as made:
        live = attributed_stream(Parts(takers=made))
        live.push(conversation([Said(0, 0, 0.5, 3.0, ("one",), with_eot=False)], duration_s=2.9))
        embedder.may_work.set()
        assert [event.speaker.label for event in live.flush() if isinstance(event, SpeakerRevised)] == ["S0"]


# Long enough to be listened to while they last, and again at their end.
LONG_TALK = (
    Said(0, 0, 0.5, 7.5, ("one", "two")),
    Said(1, 1, 8.0, 15.0, ("three", "one")),
    Said(0, 0, 15.5, 22.0, ("two",)),
)


def test_who_is_behind_listens_less_but_to_every_turn_at_its_end() -> None:
    num_embedded, labels = [], []
    for max_waiting in (1, 99):
        embedder = HeldEmbedder()
        with takers(embedder, max_waiting=max_waiting, max_of_stream=99) as made:
            live = attributed_stream(Parts(takers=made))
            events = live.push(conversation(LONG_TALK, duration_s=22.5))
            embedder.may_work.set()
            labels.append(Account().read(events + live.close()).labels())
        num_embedded.append(embedder.num_embedded)
    assert labels == [[("S0",), ("S1",), ("S0",)]] * 2
    assert num_embedded[0] < num_embedded[1]


def test_a_full_stream_passes_over_turns_that_go_on_and_others_do_not() -> None:
    with takers(HeldEmbedder(), max_waiting=99, max_of_stream=1) as made:
        full, other = made.desk(), made.desk()
        assert full.ask(0, speech(), is_last=False)
        assert not full.ask(1, speech(), is_last=False)
        assert other.ask(0, speech(), is_last=False)


@settings(max_examples=20)
@given(st.lists(st.booleans(), min_size=1, max_size=12), st.integers(1, 3))
def test_answers_come_in_the_order_asked_for_and_none_of_an_end_is_missing(plan: list[bool], threads: int) -> None:
    with takers(HumEmbedder(), threads=threads, max_waiting=2, max_of_stream=2) as made:
        desk = made.desk()
        asked(desk, plan)
        answers = desk.answers(wait=True)
    assert [answer.turn_id for answer in answers] == sorted(answer.turn_id for answer in answers)
    assert {answer.turn_id for answer in answers} >= {turn_id for turn_id, is_last in enumerate(plan) if is_last}
    assert all(answer.parts and not answer.behind for answer in answers)


def test_a_voice_does_not_give_way_to_a_search_of_its_turn_for_others() -> None:
    embedder = HeldEmbedder()
    with takers(embedder, max_of_stream=3, patience_s=0.05) as made:
        desk = made.desk()
        for turn_id, is_last, needs_voice in ((0, True, True), (1, False, True), (1, True, False), (2, True, True)):
            desk.ask(turn_id, replace(speech(), needs_voice=needs_voice), is_last=is_last)
        embedder.may_work.set()
        answers = desk.answers(wait=True)
    assert [(answer.turn_id, answer.is_last) for answer in answers] == [(0, True), (1, False), (1, True), (2, True)]
    assert answers[1].parts[0].voice is not None


def test_nobody_waits_longer_than_their_patience() -> None:
    with takers(HeldEmbedder(), max_of_stream=1, patience_s=0.05) as made:
        desk = made.desk()
        asked(desk, [True, True])
        answers = desk.answers(wait=True)
    assert [(answer.turn_id, answer.behind, answer.parts) for answer in answers] == [(0, True, ()), (1, True, ())]


def test_a_caller_who_is_gone_waits_no_more() -> None:
    scope = CallScope()
    with takers(HeldEmbedder()) as made:
        desk = made.desk()
        asked(desk, [True])
        token = current_call.set(scope)
        scope.cancelled.set()
        with pytest.raises(CallAbandonedError):
            desk.answers(wait=True)
        current_call.reset(token)


def test_an_abandoned_stream_leaves_nothing_waiting() -> None:
    embedder = HeldEmbedder()
    with takers(embedder) as made:
        desk = made.desk()
        asked(desk, [True] * 5)
        desk.close()
        embedder.may_work.set()
        other = made.desk()
        asked(other, [True])
        assert other.answers(wait=True)[0].parts
        assert not made.is_behind
    # One may have been under way.
    assert embedder.num_embedded <= 2


def test_a_busy_embedder_is_told_of_once() -> None:
    with takers(BusyEmbedder()) as made:
        account = Account().read(run(made))
    assert account.texts() == [list(said.words) for said in TALK]
    assert [warning.reason for warning in account.warnings] == [WarningReason.ATTRIBUTION_BEHIND]


class BrokenEmbedder(HumEmbedder):
    """Has a bug."""

    def embed(self, clips: Sequence[FloatArray]) -> FloatArray:
        raise ZeroDivisionError


def test_a_bug_is_not_taken_for_a_silent_turn() -> None:
    with takers(BrokenEmbedder()) as made, pytest.raises(ZeroDivisionError):
        run(made)


def test_limits_that_let_nothing_through_are_refused() -> None:
    with pytest.raises(ValueError, match="max_waiting"):
        VoiceDeskConfig(max_waiting=0)
