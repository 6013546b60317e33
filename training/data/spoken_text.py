"""Text as it is spoken: lower case, the letters a-z and apostrophes; digits become words."""

import re
import unicodedata

UNKNOWN_WORD = "<unk>"
"""Stands for a word nobody could make out."""

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
# Letters that no accent stripping turns into a-z: schwa, dotless i, the typographer's apostrophe and some of Europe's.
PLAIN_LETTERS = str.maketrans(
    {"\u0259": "e", "\u0131": "i", "\u2019": "'", "ø": "o", "ł": "l", "æ": "ae", "œ": "oe", "ß": "ss"}
)


def spoken_words(text: str) -> list[str]:
    """The words of a text: numbers below a million as cardinals, longer ones digit by digit, `<unk>` kept."""
    plain = unicodedata.normalize("NFKD", text.lower().translate(PLAIN_LETTERS))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    plain = re.sub(r"(?<=\d),(?=\d{3}\b)", "", plain)
    pieces = re.findall(r"<unk>|\d+|[a-z']+", plain)
    words = [word for piece in pieces for word in (_number(piece) if piece.isdigit() else [piece])]
    return [word for word in (word.strip("'") for word in words) if word]


def spelled_digits(text: str) -> list[str]:
    """A number read digit by digit, whatever groups it is written in."""
    return [DIGITS[int(digit)] for digit in re.findall(r"\d", text)]


def _number(digits: str) -> list[str]:
    value = int(digits)
    if len(digits) > 6 or digits != str(value):
        return spelled_digits(digits)
    return _cardinal(value)


def _cardinal(value: int) -> list[str]:
    if value < 10:
        return [DIGITS[value]]
    if value < 20:
        return [TEENS[value - 10]]
    if value < 100:
        return [TENS[value // 10], *(_cardinal(value % 10) if value % 10 else [])]
    size, name = (100, "hundred") if value < 1000 else (1000, "thousand")
    return [*_cardinal(value // size), name, *(_cardinal(value % size) if value % size else [])]
