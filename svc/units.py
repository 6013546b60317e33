"""The transcriber's vocabulary: four special tokens at fixed ids, then word pieces.

SentencePiece's convention: a piece that starts with U+2581 opens a word. A vocabulary of whole words is the special
case in which every piece does.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

BLANK, UNKNOWN, START_OF_TURN, END_OF_TURN = range(4)
SPECIAL_TOKENS = ("<blank>", "<unk>", "<sot>", "<eot>")
WORD_START = "\u2581"


@dataclass(frozen=True, slots=True)
class Units:
    """Token ids and what they spell. `pieces` leaves out the special tokens: piece i has id i + 4."""

    pieces: tuple[str, ...]

    def __post_init__(self) -> None:
        if not all(self.pieces) or len(set(self.pieces)) != len(self.pieces):
            raise ValueError("pieces must be distinct and not empty")
        if clash := set(self.pieces) & set(SPECIAL_TOKENS):
            raise ValueError(f"{', '.join(sorted(clash))}: names of special tokens cannot be pieces")

    def __len__(self) -> int:
        """V: every id is below it."""
        return len(SPECIAL_TOKENS) + len(self.pieces)

    def piece(self, token_id: int) -> str:
        """The token's own spelling, special tokens included. Raises IndexError past the vocabulary."""
        if token_id < 0:
            raise IndexError(f"token ids start at 0, got {token_id}")
        specials = len(SPECIAL_TOKENS)
        return SPECIAL_TOKENS[token_id] if token_id < specials else self.pieces[token_id - specials]

    def ids(self) -> dict[str, int]:
        """Piece -> id, for encoding; special tokens are not in it."""
        return {piece: number for number, piece in enumerate(self.pieces, len(SPECIAL_TOKENS))}

    def opens_word(self, token_id: int) -> bool:
        """Whether a new word starts here. `<unk>` stands for a whole word; the other special tokens for none."""
        return token_id == UNKNOWN or (not is_silent(token_id) and self.piece(token_id).startswith(WORD_START))

    def words(self, token_ids: Sequence[int]) -> list[list[int]]:
        """Positions into `token_ids`, grouped by word. A turn's borders end a word and belong to none."""
        words: list[list[int]] = []
        inside = False
        for position, token_id in enumerate(token_ids):
            if is_silent(token_id):
                inside = inside and token_id == BLANK
            elif inside and not self.opens_word(token_id):
                words[-1].append(position)
            else:
                words.append([position])
                inside = True
        return words

    def text(self, token_ids: Iterable[int]) -> str:
        """The words, with single spaces between them."""
        ids = list(token_ids)
        return " ".join(self.spelling(ids[position] for position in word) for word in self.words(ids))

    def spelling(self, token_ids: Iterable[int]) -> str:
        """The tokens of one word, joined."""
        return "".join(self.piece(token_id) for token_id in token_ids).replace(WORD_START, "")


def is_silent(token_id: int) -> bool:
    """Blank and the borders of a turn: tokens that spell nothing."""
    return token_id in (BLANK, START_OF_TURN, END_OF_TURN)
