"""Token ids to words."""

from hypothesis import given
from hypothesis import strategies as st

from svc.units import BLANK_ID, TURN_END_ID, TURN_START_ID, UNKNOWN_ID, Units

PIECES = Units(("\u2581sev", "en", "\u2581two", "\u2581"))
WORDS = Units(("\u2581seven", "\u2581two"))
letters = st.text("abcdefgh", min_size=1, max_size=4)


@given(st.lists(st.lists(letters, min_size=1, max_size=3), max_size=6))
def test_any_words_cut_into_any_pieces_come_back(words: list[list[str]]) -> None:
    marked = [["\u2581" + word[0], *word[1:]] for word in words]
    pieces = tuple(dict.fromkeys(piece for word in marked for piece in word))
    ids = [4 + pieces.index(piece) for word in marked for piece in word]
    assert Units(pieces).text(ids) == " ".join("".join(word) for word in words)


def test_special_tokens_are_no_text_but_the_unknown_is_a_word() -> None:
    assert PIECES.text([TURN_START_ID, 4, 5, BLANK_ID, UNKNOWN_ID, 6, TURN_END_ID]) == "seven <unk> two"
    assert [PIECES.opens_word(token_id) for token_id in (UNKNOWN_ID, 4, 5, 6)] == [True, True, False, True]


def test_only_a_vocabulary_without_continuations_is_of_whole_words() -> None:
    assert WORDS.are_whole_words
    assert not PIECES.are_whole_words
    assert (WORDS.num_tokens, PIECES.num_tokens) == (6, 8)
