"""Recipes of mixtures: all that is needed to render one conversation again to the bit, and no audio."""

import json
from dataclasses import asdict, dataclass, field

from svc.errors import InvalidRequestError
from svc.types import Span
from training.data.augment import Degradation
from training.data.utterances import TimedWord

NO_ROOM = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A cut of an utterance, in seconds within it, and where its first sample falls in the mixture."""

    utterance_id: str
    start_s: float
    end_s: float
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedTurn:
    """One talker's turn in the mixture; it lasts from its first word to its last, times are the mixture's.

    `speed` 1.1 = spoken faster, which also raises the voice: for training that is another talker, and named so.
    """

    speaker: str
    channel: int
    words: tuple[TimedWord, ...]
    pieces: tuple[Piece, ...]
    gain_db: float = 0.0
    speed: float = 1.0
    response: int = NO_ROOM  # of the room bank

    @property
    def span(self) -> Span:
        return Span(self.words[0].start_s, self.words[-1].end_s)

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class MixtureRecipe:
    """Turns in order of start, and what happens to their sum; the room is each turn's own."""

    seed: int
    duration_s: float
    turns: tuple[PlacedTurn, ...]
    degradation: Degradation = field(default_factory=Degradation)

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @staticmethod
    def from_json(line: str) -> "MixtureRecipe":
        """The inverse of to_json. Raises InvalidRequestError when the line is no recipe."""
        try:
            fields = json.loads(line)
            turns = tuple(_turn(turn) for turn in fields.pop("turns"))
            return MixtureRecipe(**fields | {"turns": turns, "degradation": Degradation(**fields["degradation"])})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidRequestError(f"not a mixture recipe: {error}", field="recipe") from None


def _turn(fields: dict[str, object]) -> PlacedTurn:
    words = tuple(TimedWord(**word) for word in fields.pop("words"))  # type: ignore[attr-defined]
    pieces = tuple(Piece(**piece) for piece in fields.pop("pieces"))  # type: ignore[attr-defined]
    return PlacedTurn(**fields, words=words, pieces=pieces)  # type: ignore[arg-type]
