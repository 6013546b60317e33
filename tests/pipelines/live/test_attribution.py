"""Who says what in a live stream: one speaker a turn, the same however the audio is cut, corrected only by events."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svc.errors import OverloadedError, StorageError
from svc.pipelines.live.attribution import GROWN
from svc.pipelines.live.label_profiles import LabelProfiles
from svc.pipelines.live.speaker_labels import LabelConfig
from svc.pipelines.live.transcription_events import (
    FinalWord,
    PartialWords,
    TextRevised,
    TranscriptionEvent,
    TurnEnded,
    TurnStarted,
    WarningReason,
)
from svc.scoring.policy import NAMED_POLICIES
from svc.types import FloatArray
from tests.pipelines.enrolled_voices import TENANT
from tests.pipelines.live.attributed_stream import Account, Parts, attributed_stream, identifying
from tests.pipelines.live.toy_conversation import Said, conversation
from tests.pipelines.test_local_voices import LengthKeeper
from tests.pipelines.toy_voices import HumEmbedder, hum, turn

# Person 0 on both channels, the second turn begun over the first, the fourth too short to tell.
TALK = (
    Said(0, 0, 0.5, 2.5, ("one", "two")),
    Said(1, 1, 2.1, 4.0, ("three", "one")),
    Said(0, 0, 4.4, 6.0, ("two",)),
    Said(2, 1, 6.4, 6.8, ("one",)),
    Said(1, 0, 7.1, 9.0, ("three", "three")),
    Said(2, 1, 9.4, 11.0, ("two", "one")),
)
MIXTURE = conversation(TALK, duration_s=11.5)


def run(samples: FloatArray, cuts: Sequence[int] = (), parts: Parts | None = None) -> list[TranscriptionEvent]:
    live = attributed_stream(parts)
    events = [event for piece in np.split(samples, sorted(cuts)) for event in live.push(piece)]
    return events + live.close()


@cache
def in_one_piece() -> list[TranscriptionEvent]:
    return run(MIXTURE)


def test_every_turn_is_the_one_who_said_it() -> None:
    account = Account().read(in_one_piece())
    assert account.labels() == [("S0",), ("S1",), ("S0",), ("UNKNOWN",), ("S1",), ("S2",)]
    assert account.texts() == [list(said.words) for said in TALK]


@settings(max_examples=8)
@given(st.lists(st.integers(0, len(MIXTURE)), max_size=40))
def test_chunking_changes_nothing_that_is_said(cuts: list[int]) -> None:
    assert run(MIXTURE, cuts) == in_one_piece()


@settings(max_examples=10)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=6))
def test_no_word_is_lost_and_no_two_people_share_a_label(plan: list[tuple[int, bool]]) -> None:
    said, start_s = [], 0.4
    for place, (person, overlaps) in enumerate(plan):
        said.append(Said(person, place % 2, start_s, start_s + 1.9, ("one", "three")))
        start_s += 1.6 if overlaps else 2.2
    account = Account().read(run(conversation(said, duration_s=start_s + 1)))
    assert account.texts() == [["one", "three"]] * len(said)
    first_seen = list(dict.fromkeys(person for person, _ in plan))
    assert account.labels() == [(f"S{first_seen.index(person)}",) for person, _ in plan]


def test_a_talker_nobody_ever_hears_alone_is_told_from_the_masked_sound() -> None:
    talk = (
        Said(0, 0, 0.4, 2.4, ("one",)),
        Said(1, 1, 2.8, 4.8, ("two",)),
        Said(2, 0, 5.2, 8.6, ("one",)),
        Said(1, 1, 5.6, 7.6, ("two",)),
    )
    account = Account().read(run(conversation(talk, duration_s=9.0)))
    assert account.labels() == [("S0",), ("S1",), ("S2",), ("S1",)]


def test_a_long_turn_is_told_before_it_ends() -> None:
    live = attributed_stream(partials=True)
    said = Said(0, 0, 0.5, 8.0, ("one", "two", "three", "one"))
    events = live.push(conversation([said], duration_s=6.0))
    partials = [event for event in events if isinstance(event, PartialWords) and event.words]
    assert not [event for event in events if isinstance(event, TurnEnded)]
    assert Account().read(events).labels() == [("S0",)]
    assert partials[-1].words[0].speaker.label == "S0"


def test_the_caller_is_told_of_every_change_and_of_nothing_else() -> None:
    account = Account().read(in_one_piece())
    for turn_id, words in account.words.items():
        (speaker,) = {(word.speaker.label, word.speaker.profile_id) for word in words}
        known = account.speakers.get(turn_id)
        assert known is None or (known.label, known.profile_id) == speaker
    # Words came before their speaker was known, once a turn; nothing flickered.
    assert len(account.revised) == len(set(account.revised))


def test_an_early_unknown_turn_is_revised_when_its_speaker_has_spoken_more() -> None:
    talk = (Said(0, 0, 0.5, 1.3, ("one",)), Said(0, 0, 2.0, 4.5, ("two",)))
    account = Account().read(run(conversation(talk, duration_s=5.0)))
    assert account.labels() == [("S0",), ("S0",)]
    assert account.revised == [0]


@pytest.mark.parametrize(("lasts_s", "times"), [(1.2, 1), (2.0, 1), (2.6, 2), (5.5, 2), (7.0, 3)])
def test_a_turn_is_listened_to_again_at_its_end_only_if_much_was_said_since(lasts_s: float, times: int) -> None:
    embedder = LengthKeeper()
    said = Said(0, 0, 0.5, 0.5 + lasts_s, ("one",))
    account = Account().read(run(conversation([said], duration_s=8.0), parts=Parts(embedder=embedder)))
    assert account.labels() == [("S0",)]
    assert len(embedder.seconds) == times
    assert embedder.seconds[-1] >= lasts_s / GROWN


# The model takes the two for one turn.
MERGED = Said(0, 0, 0.5, 6.5, ("one", "two", "three", "one", "two"), then=(1, 3.5))


def test_a_turn_in_which_another_voice_goes_on_is_cut_there() -> None:
    account = Account().read(run(conversation([MERGED, Said(0, 0, 7.0, 9.0, ("one",))], duration_s=9.5)))
    by_label: dict[str, list[str]] = {}
    for words in account.words.values():
        by_label.setdefault(words[0].speaker.label, []).extend(word.text for word in words)
    assert by_label == {"S0": ["one", "two", "three", "one"], "S1": ["one", "two"]}
    assert account.ended == account.starts.keys()


def test_what_is_cut_off_is_told_whole_and_the_turn_ends_earlier() -> None:
    events = run(conversation([MERGED], duration_s=7.0))
    (cut,) = [event for event in events if isinstance(event, TextRevised)]
    after = events[events.index(cut) + 1 :]
    assert cut.end_s == cut.words[-1].end_s
    started, *words, ended = after[:4]
    assert isinstance(started, TurnStarted)
    assert isinstance(ended, TurnEnded)
    assert {word.word.turn_id for word in words if isinstance(word, FinalWord)} == {started.turn_id} == {ended.turn_id}
    assert started.start_s >= cut.end_s


@settings(max_examples=6)
@given(st.lists(st.integers(0, 7 * 16_000), max_size=10))
def test_chunking_changes_no_cut(cuts: list[int]) -> None:
    samples = conversation([MERGED], duration_s=7.0)
    assert run(samples, cuts) == run(samples)


class BusyEmbedder(HumEmbedder):
    """Takes no work."""

    def embed(self, clips: Sequence[FloatArray]) -> FloatArray:
        raise OverloadedError("busy")


def test_a_busy_embedder_costs_speakers_but_no_word() -> None:
    account = Account().read(run(MIXTURE, parts=Parts(embedder=BusyEmbedder())))
    assert account.texts() == [list(said.words) for said in TALK]
    assert set(account.labels()) == {("UNKNOWN",)}
    assert [warning.reason for warning in account.warnings] == [WarningReason.ATTRIBUTION_BEHIND]


def test_memory_does_not_grow_with_the_stream() -> None:
    live = attributed_stream(Parts(labels=LabelConfig(kept_turns=4), kept_s=10.0))
    said = [Said(place % 2, place % 2, 0.3 + 1.5 * place, 1.5 + 1.5 * place, ("one",)) for place in range(8)]
    minute = conversation(said, duration_s=12.6)
    for _ in range(3):
        live.push(minute)
    follower = live._follower
    assert (len(follower._turns), len(follower.labels._turns)) == (4, 4)  # type: ignore[attr-defined]


def test_old_turns_may_be_forgotten_while_another_goes_on() -> None:
    said = [Said(person, 0, 0.3 + 3.0 * person, 3.0 + 3.0 * person, ("one", "two")) for person in range(4)]
    mixture = conversation(said, duration_s=12.6)
    live = attributed_stream(Parts(labels=LabelConfig(kept_turns=1)))
    assert Account().read(live.push(mixture) + live.close()).texts() == [["one", "two"]] * len(said)


@pytest.fixture
def profiles(tmp_path: Path) -> Iterator[LabelProfiles]:
    """Where person 0 is enrolled as anna."""
    with identifying(tmp_path) as identifier:
        yield LabelProfiles(identifier, tenant=TENANT, policy=NAMED_POLICIES["balanced"])


def test_an_enrolled_talker_is_named_and_strangers_are_not(profiles: LabelProfiles) -> None:
    account = Account().read(run(MIXTURE, parts=Parts(profiles=profiles)))
    names = [words[0].speaker.profile_id for _, words in sorted(account.words.items())]
    assert names == ["anna", None, "anna", None, None, None]
    assert account.labels() == Account().read(in_one_piece()).labels()


def names_of(account: Account) -> list[str | None]:
    return [words[-1].speaker.profile_id for _, words in sorted(account.words.items())]


TWICE = (Said(0, 0, 0.5, 4.5, ("one", "two")), Said(0, 0, 5.5, 7.5, ("one",)))


def test_a_profile_that_is_deleted_is_named_no_longer(profiles: LabelProfiles) -> None:
    samples, at = conversation(TWICE, duration_s=8.5), round(5.2 * 16_000)
    live = attributed_stream(Parts(profiles=profiles))
    account = Account().read(live.push(samples[:at]))
    assert names_of(account) == ["anna"]
    profiles.identifier.search.store.delete(TENANT, "anna")
    account.read(live.push(samples[at:]) + live.close())
    assert names_of(account) == [None, None]
    assert [speaker.label for _, speaker in sorted(account.speakers.items())] == ["S0", "S0"]


def test_profiles_that_cannot_be_read_cost_names_and_no_word(
    profiles: LabelProfiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object, **__: object) -> None:
        raise StorageError("disk I/O error")

    samples, at = conversation(TWICE, duration_s=8.5), round(5.2 * 16_000)
    live = attributed_stream(Parts(profiles=profiles))
    with monkeypatch.context() as broken:
        broken.setattr(profiles.identifier, "identify", unreadable)
        account = Account().read(live.push(samples[:at]))
    assert [warning.reason for warning in account.warnings].count(WarningReason.PROFILES_UNAVAILABLE) == 1
    assert names_of(account) == [None]
    account.read(live.push(samples[at:]) + live.close())
    assert account.texts() == [list(said.words) for said in TWICE]
    assert names_of(account) == ["anna", "anna"]


def told_of(samples: FloatArray) -> list[list[FloatArray | None]]:
    """What the recogniser is told, by channel."""
    told: list[list[FloatArray | None]] = [[], []]
    run(samples, parts=Parts(tell=lambda channel, voice: told[channel].append(voice)))
    return told


def voice_of(person: int) -> FloatArray:
    voice: FloatArray = HumEmbedder().embed([hum([turn(0.0, 3.0, person)], duration_s=3.0).samples])[0]
    return voice


@pytest.mark.parametrize(("channel", "person"), [(0, 1), (1, 2)])
def test_the_recogniser_is_told_who_spoke_last_on_each_channel(channel: int, person: int) -> None:
    last = told_of(MIXTURE)[channel][-1]
    assert last is not None
    likeness = [float(last @ voice_of(other)) for other in range(3)]
    assert int(np.argmax(likeness)) == person


def test_of_a_speaker_who_was_named_the_recogniser_is_told_the_enrolled_voice(profiles: LabelProfiles) -> None:
    told: list[FloatArray | None] = []
    samples = conversation(TWICE, duration_s=8.5)
    run(samples, parts=Parts(profiles=profiles, tell=lambda channel, voice: told.append(voice)))
    enrolled = profiles.identifier.search.store.voiceprint(TENANT, "anna").vector
    assert told[0] is not None
    assert told[-1] is not None
    assert not np.array_equal(told[0], enrolled)
    np.testing.assert_array_equal(told[-1], enrolled)


def test_who_has_just_begun_is_unknown_once_there_are_two_to_choose_from() -> None:
    assert sum(voice is None for voice in told_of(MIXTURE)[0]) == 2
    alone = conversation((Said(0, 0, 0.5, 2.5, ("one", "two")), Said(0, 0, 4.4, 6.0, ("two",))), duration_s=7.0)
    heard = told_of(alone)[0]
    assert heard
    assert all(voice is not None for voice in heard)
