"""The transcriber's word pieces: learnt from the words of the training texts, and words spelled in them.

    python -m training.data.units --utterances FILE --out units.txt [--size 256] [--domains a,b] [--whole-words]

Pieces come from SentencePiece's unigram model (Kudo 2018), one a line with its log-probability. How often a word occurs
counts by its logarithm only: one text read by hundreds must not fill the vocabulary. Encoding is Viterbi over the
scores, which is what SentencePiece does, so nothing but the file is needed afterwards, or the card of an artifact. With
--whole-words each word of the training texts is a piece, for a closed vocabulary; other words are `<unk>`.
"""

import argparse
import io
import itertools
import math
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import sentencepiece

from svc.artifact import CARD, first_fault, read_card
from svc.backends.transcriber_artifact import KIND
from svc.errors import ArtifactError, InvalidRequestError
from svc.units import SPECIAL_TOKENS, UNKNOWN, WORD_START, Units
from svc.whole_file import replacing
from training.command_line import file_to_write, mistakes_told, positive
from training.data.manifest import TRAIN
from training.data.spoken_text import UNKNOWN_WORD
from training.data.utterances import Utterance, read_utterances

# Of the pieces, in the card of an artifact.
SCORES = "unit_scores"
LETTERS = "abcdefghijklmnopqrstuvwxyz'"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitEncoder:
    """Spells words in units. `scores` are the log-probabilities of the pieces; without them the fewest pieces win."""

    units: Units
    scores: tuple[float, ...] = ()
    _scores: dict[str, float] = field(init=False, repr=False, compare=False)
    _spelled: dict[str, list[int]] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        if self.scores and len(self.scores) != len(self.units.pieces):
            raise ValueError(f"{len(self.units.pieces)} pieces but {len(self.scores)} scores")
        scores = self.scores or (-1.0,) * len(self.units.pieces)
        object.__setattr__(self, "_scores", dict(zip(self.units.pieces, scores, strict=True)))

    def encode(self, word: str) -> list[int]:
        """Token ids of one word; `<unk>` alone when no pieces spell it."""
        if word not in self._spelled:
            ids = self.units.ids()
            self._spelled[word] = [ids[piece] for piece in self._best(WORD_START + word)] or [UNKNOWN]
        return list(self._spelled[word])

    def _best(self, text: str) -> list[str]:
        """The most probable pieces that make up the text; none = there are no such."""
        longest = max(map(len, self.units.pieces), default=0)
        best: list[tuple[float, list[str]]] = [(0.0, [])]
        for end in range(1, len(text) + 1):
            ways = [
                (best[start][0] + self._scores[text[start:end]], [*best[start][1], text[start:end]])
                for start in range(max(0, end - longest), end)
                if text[start:end] in self._scores and best[start][0] > -math.inf
            ]
            best.append(max(ways, key=lambda way: way[0], default=(-math.inf, [])))
        return best[-1][1]


def word_counts(utterances: Iterable[Utterance]) -> Counter[str]:
    """How often each word is said in the training part; what nobody could make out is no word."""
    said = (word.text for utterance in utterances if utterance.split == TRAIN for word in utterance.words)
    return Counter(word for word in said if word != UNKNOWN_WORD)


def learn_pieces(counts: Mapping[str, int], size: int) -> UnitEncoder:
    """At most `size` units, special tokens included. Raises InvalidRequestError when the letters alone need more."""
    weights = {word: 1 + round(math.log2(count)) for word, count in sorted(counts.items())}
    with tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="utf-8") as seeds:
        seeds.writelines(f"{piece}\t{weight}\n" for piece, weight in _seeds(weights))
        seeds.flush()
        model = _trained([word for word, weight in weights.items() for _ in range(weight)], size, seeds.name)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    known = [number for number in range(processor.get_piece_size()) if not processor.is_unknown(number)]
    pieces = tuple(processor.id_to_piece(number) for number in known)
    return UnitEncoder(units=Units(pieces), scores=tuple(processor.get_score(number) for number in known))


def _seeds(weights: Mapping[str, int]) -> list[tuple[str, int]]:
    """What pieces may be. SentencePiece's own seeds leave out all that occurs in one word only, so most whole words."""
    seeds: Counter[str] = Counter()
    for word, weight in weights.items():
        text = WORD_START + word
        for start, end in itertools.combinations(range(len(text) + 1), 2):
            seeds[text[start:end]] += weight
    return [(piece, weight) for piece, weight in seeds.most_common() if len(piece) > 1 and weight > 1]


def _trained(lines: Sequence[str], size: int, seeds: str) -> bytes:
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            model_type="unigram",
            # SentencePiece counts an <unk> of its own.
            vocab_size=size - len(SPECIAL_TOKENS) + 1,
            hard_vocab_limit=False,
            character_coverage=1.0,
            required_chars=LETTERS,
            normalization_rule_name="identity",
            seed_sentencepieces_file=seeds,
            bos_id=-1,
            eos_id=-1,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise InvalidRequestError(f"cannot learn {size} units, take more (--size): {error}", field="size") from error
    return model.getvalue()


def whole_words(counts: Mapping[str, int]) -> UnitEncoder:
    """A piece for every word, the most frequent first."""
    total = sum(counts.values())
    ordered = sorted(counts, key=lambda word: (-counts[word], word))
    scores = tuple(math.log(counts[word] / total) for word in ordered)
    return UnitEncoder(units=Units(tuple(WORD_START + word for word in ordered)), scores=scores)


def write_units(path: Path, encoder: UnitEncoder) -> None:
    """One piece a line, then a tab and its score."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scores = encoder.scores or (0.0,) * len(encoder.units.pieces)
    lines = [f"{piece}\t{score:.6g}\n" for piece, score in zip(encoder.units.pieces, scores, strict=True)]
    with replacing(path) as beside:
        beside.write_text("".join(lines), encoding="utf-8")


def read_units(path: Path) -> UnitEncoder:
    """Those of a file, or of a transcriber's artifact; if its card has no scores it spells with the fewest pieces.

    Raises InvalidRequestError naming the line at fault, ArtifactError when the folder is no transcriber's.
    """
    if (path / CARD).is_file():
        return _units_of_artifact(path)
    if not path.is_file():
        raise InvalidRequestError(f"no units at {path}: make them with python -m training.data.units")
    pieces, scores = [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        piece, _, score = line.partition("\t")
        try:
            scores.append(float(score))
        except ValueError:
            raise InvalidRequestError(f"{path}:{number}: want a piece, a tab and a score, got {line!r}") from None
        pieces.append(piece)
    if not pieces:
        raise InvalidRequestError(f"{path} has no units: make them with python -m training.data.units")
    try:
        return UnitEncoder(units=Units(tuple(pieces)), scores=tuple(scores))
    except ValueError as error:
        raise InvalidRequestError(f"{path}: {error}") from None


def _units_of_artifact(folder: Path) -> UnitEncoder:
    read = read_card(folder)
    read.check_kind(KIND, folder)
    if not (scores := tuple(read.card.get(SCORES, ()))):
        print(f"{folder}: no scores of its units, so words are spelled in the fewest of them", file=sys.stderr)
    try:
        return UnitEncoder(units=Units(tuple(read.card["units"])), scores=scores)
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"the units of {folder} cannot be read: {first_fault(error)}") from error


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=Path, required=True, help="what python -m training.data.align made")
    parser.add_argument("--size", type=positive, default=256, help="units, the four special tokens included")
    parser.add_argument("--domains", help="only these, by commas")
    parser.add_argument("--whole-words", action="store_true", help="each word a unit; --size is not heeded")
    parser.add_argument("--out", type=file_to_write, required=True)
    options = parser.parse_args(arguments)
    wanted = options.domains.split(",") if options.domains else None
    with mistakes_told():
        utterances = read_utterances(options.utterances)
        counts = word_counts(u for u in utterances if wanted is None or u.domain in wanted)
        if not counts:
            raise InvalidRequestError(
                f"{options.utterances} has no training words of {options.domains or 'any domain'}"
            )
        encoder = whole_words(counts) if options.whole_words else learn_pieces(counts, options.size)
        write_units(options.out, encoder)
    per_word = sum(len(encoder.encode(word)) * count for word, count in counts.items()) / sum(counts.values())
    print(f"{len(encoder.units)} units for {len(counts)} words, {per_word:.2f} units a spoken word: {options.out}")


if __name__ == "__main__":
    main()
