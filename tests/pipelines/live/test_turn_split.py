"""A turn's words handed out to its voices: none lost, none twice, in order."""

from hypothesis import given
from hypothesis import strategies as st

from svc.pipelines.live.transcription_events import TranscribedWord
from svc.pipelines.live.turn_split import spoken_parts
from svc.pipelines.live.turn_voices import TurnPart
from tests.pipelines.live.label_voices import person

SECONDS = st.floats(0, 60)


def words_at(starts_s: list[float]) -> list[TranscribedWord]:
    return [
        TranscribedWord(turn_id=0, text=str(number), start_s=start_s, end_s=start_s + 0.3, channel=0)
        for number, start_s in enumerate(sorted(starts_s))
    ]


@given(st.lists(SECONDS, max_size=8), st.lists(SECONDS, max_size=4))
def test_every_word_is_in_one_part(starts_s: list[float], cuts_s: list[float]) -> None:
    words = words_at(starts_s)
    parts = spoken_parts([TurnPart(start_s, None) for start_s in [0.0, *sorted(cuts_s)]], words)
    assert [word for part in parts for word in part.words] == words
    assert all(part.words for part in parts) or not words


def test_a_word_is_the_voice_it_lies_in_by_its_middle() -> None:
    first, second = person(0), person(1)
    parts = spoken_parts([TurnPart(0.0, first), TurnPart(2.0, second)], words_at([1.0, 1.8, 1.9]))
    assert [(part.voice, len(part.words)) for part in parts] == [(first, 2), (second, 1)]


def test_a_voice_that_says_nothing_makes_no_turn() -> None:
    first, second = person(0), person(1)
    (part,) = spoken_parts([TurnPart(0.0, first), TurnPart(2.0, second)], words_at([5.0]))
    assert part.voice is second
    (nobody,) = spoken_parts([TurnPart(0.0, first), TurnPart(2.0, second)], [])
    assert nobody.voice is first
