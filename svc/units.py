"""What the transcriber's token ids stand for: marks around turns, then pieces of words."""

from collections.abc import Sequence
from dataclasses import dataclass

BLANK_ID = 0
UNKNOWN_ID = 1
TURN_START_ID = 2
TURN_END_ID = 3
NUM_SPECIAL = 4
# SentencePiece's mark of a piece that opens a word.
WORD_MARK = "\u2581"
UNKNOWN_TEXT = "<unk>"


@dataclass(frozen=True, slots=True)
class Units:
    """Ids 0 to 3 are blank, <unk>, <sot> and <eot>; id 4 is `pieces[0]`. A piece that begins with U+2581 opens a word;
    in a vocabulary of whole words every piece does.
    """

    pieces: tuple[str, ...]

    @property
    def num_tokens(self) -> int:
        """V, the special ones included."""
        return NUM_SPECIAL + len(self.pieces)

    @property
    def are_whole_words(self) -> bool:
        """No piece continues a word, so a word is complete as soon as its piece is there."""
        return all(piece.startswith(WORD_MARK) for piece in self.pieces)

    def opens_word(self, token_id: int) -> bool:
        """An unknown piece is a word of its own."""
        return token_id == UNKNOWN_ID or self.piece(token_id).startswith(WORD_MARK)

    def piece(self, token_id: int) -> str:
        """The piece with its mark; <unk> for the unknown, nothing for the other special tokens."""
        if token_id < NUM_SPECIAL:
            return WORD_MARK + UNKNOWN_TEXT if token_id == UNKNOWN_ID else ""
        return self.pieces[token_id - NUM_SPECIAL]

    def text(self, token_ids: Sequence[int]) -> str:
        """The words, with single spaces between them."""
        return " ".join("".join(map(self.piece, token_ids)).replace(WORD_MARK, " ").split())
