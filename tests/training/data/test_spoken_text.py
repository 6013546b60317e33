"""Text as it is spoken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.spoken_text import DIGITS, spelled_digits, spoken_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, World!", "hello world"),
        ("It\u2019s John's", "it's john's"),
        ("'quoted'", "quoted"),
        ("beş üç s\u0131f\u0131r səkkiz", "bes uc sifir sekkiz"),
        ("48 Ridge Road 407", "forty eight ridge road four hundred seven"),
        ("1,200", "one thousand two hundred"),
        ("19, 20", "nineteen twenty"),
        ("007", "zero zero seven"),
        ("7204567", "seven two zero four five six seven"),
        ("a <unk> b", "a <unk> b"),
        ("", ""),
    ],
)  # fmt: skip
def test_text_is_spelled_as_spoken(text: str, words: str) -> None:
    assert spoken_words(text) == words.split()


@given(st.text(max_size=12))
def test_words_hold_nothing_but_letters_and_apostrophes(text: str) -> None:
    for word in spoken_words(text):
        assert word == "<unk>" or set(word) <= set("abcdefghijklmnopqrstuvwxyz'")


@given(st.text(alphabet="0123456789- ()"))
def test_spelled_digits_are_the_digits_in_order(text: str) -> None:
    assert [str(DIGITS.index(word)) for word in spelled_digits(text)] == [mark for mark in text if mark.isdigit()]


@given(st.integers(0, 999_999))
def test_different_numbers_are_spoken_differently(number: int) -> None:
    assert spoken_words(str(number)) != spoken_words(str(number + 1))
