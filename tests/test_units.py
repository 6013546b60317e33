"""The vocabulary: ids, spelling, words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.units import BLANK, END_OF_TURN, SPECIAL_TOKENS, START_OF_TURN, UNKNOWN, WORD_START, Units

UNITS = Units((f"{WORD_START}wo", "rd", f"{WORD_START}a", "s"))
WO, RD, A, S = UNITS.ids().values()


def test_pieces_come_after_the_special_tokens() -> None:
    assert (len(UNITS), WO) == (8, len(SPECIAL_TOKENS))
    assert [UNITS.piece(number) for number in range(5)] == [*SPECIAL_TOKENS, f"{WORD_START}wo"]


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        ([START_OF_TURN, WO, RD, S, A, END_OF_TURN], "words a"),
        ([WO, UNKNOWN, RD], "wo <unk>rd"),
        ([WO, BLANK, RD], "word"),
        # A turn's border ends the word, even when the next piece would go on.
        ([WO, END_OF_TURN, START_OF_TURN, RD], "wo rd"),
        ([], ""),
    ],
)
def test_text_of_tokens(ids: list[int], text: str) -> None:
    assert UNITS.text(ids) == text


@given(st.lists(st.integers(0, len(UNITS) - 1)))
def test_words_hold_every_token_that_spells_something_once_and_in_order(ids: list[int]) -> None:
    spelt = [position for position, token in enumerate(ids) if token not in (BLANK, START_OF_TURN, END_OF_TURN)]
    assert [position for word in UNITS.words(ids) for position in word] == spelt


@given(st.lists(st.integers(0, len(UNITS) - 1)))
def test_a_word_has_one_opening_piece_at_most(ids: list[int]) -> None:
    for word in UNITS.words(ids):
        assert not any(UNITS.opens_word(ids[position]) for position in word[1:])


def test_an_encoded_word_is_spelt_back() -> None:
    whole_words = Units(tuple(f"{WORD_START}{word}" for word in ("four", "two", "nine")))
    ids = [whole_words.ids()[f"{WORD_START}{word}"] for word in ("two", "nine", "two")]
    assert whole_words.text(ids) == "two nine two"


@pytest.mark.parametrize("pieces", [("a", "a"), ("",), ("<eot>",)])
def test_pieces_that_cannot_be_told_apart_are_refused(pieces: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="pieces"):
        Units(pieces)
