"""Pieces into words: no letter is lost or said twice, and nothing waits that need not."""

from hypothesis import given
from hypothesis import strategies as st

from svc.backends.protocols import Emission
from svc.pipelines.live.spelling import SpelledWord, Speller
from svc.units import UNKNOWN, WORD_START, Units

PIECES = Units((WORD_START + "ca", WORD_START + "s", "ll", "ed", "t"))
WHOLE = Units((WORD_START + "yes", WORD_START + "no"))
tokens = st.lists(st.sampled_from([UNKNOWN, *range(4, len(PIECES))]), max_size=12)


def emitted(token_ids: list[int]) -> list[Emission]:
    return [Emission(token_id, frame) for frame, token_id in enumerate(token_ids)]


def spelled(speller: Speller, pieces: list[Emission]) -> list[SpelledWord]:
    return [word for piece in pieces for word in speller.add(piece)]


@given(tokens)
def test_all_that_is_emitted_is_said_once(token_ids: list[int]) -> None:
    speller = Speller(PIECES)
    words = [*spelled(speller, emitted(token_ids)), *speller.finish()]
    assert " ".join(word.text for word in words) == PIECES.text(token_ids)
    assert speller.finish() == ()


@given(tokens, st.integers(0, 12))
def test_a_look_ahead_sees_what_will_be_said_and_holds_nothing(token_ids: list[int], cut: int) -> None:
    speller, pieces = Speller(PIECES), emitted(token_ids)
    spelled(speller, pieces[:cut])
    seen = speller.peek(pieces[cut:])
    assert seen == (*spelled(speller, pieces[cut:]), *speller.finish())


def test_a_word_is_held_until_the_next_begins_and_tells_its_frames() -> None:
    speller = Speller(PIECES)
    call, sed = emitted([4, 6, 5, 7])[:2], emitted([4, 6, 5, 7])[2:]
    assert spelled(speller, call) == []
    assert spelled(speller, sed) == [SpelledWord("call", 0, 1)]
    assert speller.finish() == (SpelledWord("sed", 2, 3),)


def test_a_whole_word_waits_for_nothing() -> None:
    speller = Speller(WHOLE)
    assert speller.add(Emission(4, 7)) == (SpelledWord("yes", 7, 7),)
