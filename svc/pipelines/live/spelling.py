"""Pieces as the model emits them, one after the other, into words."""

from collections.abc import Sequence
from dataclasses import dataclass

from svc.backends.protocols import Emission
from svc.units import WORD_START, Units


@dataclass(frozen=True, slots=True)
class SpelledWord:
    """A word and the 40 ms frames at which its first and last piece came out."""

    text: str
    first_frame: int
    last_frame: int


class Speller:
    """Holds the pieces of a word until it is known to be complete: at the next word's first piece, or at `finish`.

    Of a vocabulary of whole words it holds nothing. No letter is lost or said twice.
    """

    def __init__(self, units: Units) -> None:
        self.units = units
        # Nothing can follow such a word: it need not wait for the next.
        self._whole_words = all(piece.startswith(WORD_START) for piece in units.pieces)
        self._held: list[Emission] = []

    def add(self, piece: Emission) -> tuple[SpelledWord, ...]:
        """The words this piece completes."""
        done = self.finish() if self.units.opens_word(piece.token_id) else ()
        self._held.append(piece)
        return (*done, *self.finish()) if self._whole_words else done

    def finish(self) -> tuple[SpelledWord, ...]:
        """The word held back, if any; nothing is held afterwards."""
        word = self._spelled(self._held)
        self._held = []
        return word

    def peek(self, unstable: Sequence[Emission]) -> tuple[SpelledWord, ...]:
        """The words there would be if the unstable pieces came next and nothing after them."""
        words: list[SpelledWord] = []
        pieces = list(self._held)
        for piece in unstable:
            if self.units.opens_word(piece.token_id):
                words += self._spelled(pieces)
                pieces = []
            pieces.append(piece)
        return (*words, *self._spelled(pieces))

    def _spelled(self, pieces: Sequence[Emission]) -> tuple[SpelledWord, ...]:
        text = self.units.text([piece.token_id for piece in pieces])
        return (SpelledWord(text, pieces[0].frame, pieces[-1].frame),) if text else ()
