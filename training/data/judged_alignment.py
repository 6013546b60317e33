"""Word times of the talkers nobody learns from, recorded once in judged_alignment.jsonl.

An aligner's arithmetic differs from processor to processor: on one it believes a phrase more than on another, and every
conversation drawn of them is another one. So what it found for dev and test talkers is kept here, by recording, as
milliseconds and the place of the first word in the text, which is the manifest's. `training.data.align --record` writes
the file anew.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from svc.errors import InvalidRequestError
from svc.types import Span
from training.data.corpus_readings import Reading
from training.data.manifest import JUDGED_SPLITS, Clip
from training.data.phrases import Phrase
from training.data.read_recordings import CORPORA, Outcome, outcome_of
from training.data.utterances import TimedWord, Utterance
from training.report_json import write_text

RECORD = Path(__file__).with_suffix(".jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedPhrase:
    """A believed phrase: its edges in the recording, where its words begin in the text, and their edges within it."""

    start_ms: int
    end_ms: int
    first_word: int
    word_edges_ms: tuple[tuple[int, int], ...]

    def with_words(self, texts: Sequence[str]) -> Phrase:
        """Of the recording's text. Raises IndexError when that is shorter."""
        words = (
            TimedWord(texts[self.first_word + number], start_ms / 1000, end_ms / 1000)
            for number, (start_ms, end_ms) in enumerate(self.word_edges_ms)
        )
        return Phrase(span=Span(self.start_ms / 1000, self.end_ms / 1000), words=tuple(words))


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedReading:
    """What was believed of a recording, and why the rest was not."""

    path: str
    reasons: tuple[str, ...]
    phrases: tuple[TimedPhrase, ...]

    def reading(self, texts: Sequence[str]) -> Reading:
        """With the words of the recording's text. Raises InvalidRequestError when it is not the text that was read."""
        try:
            return Reading(tuple(phrase.with_words(texts) for phrase in self.phrases), self.reasons)
        except IndexError:
            message = f"{self.path} has another text than {RECORD.name}: align with --record"
            raise InvalidRequestError(message, field="text") from None

    def line(self) -> str:
        phrases = [(at.start_ms, at.end_ms, at.first_word, at.word_edges_ms) for at in self.phrases]
        fields = {"path": self.path, "reasons": self.reasons, "phrases": phrases}
        return json.dumps(fields, separators=(",", ":"))


def to_record(path: str, reasons: Sequence[str], kept: Iterable[Utterance], texts: Sequence[str]) -> RecordedReading:
    """Of a recording whose text is `texts`, what was made of it; utterances in the order of the text."""
    phrases, place = [], 0
    for utterance in kept:
        place = _found(utterance, texts, place)
        edges = tuple((_ms(word.start_s), _ms(word.end_s)) for word in utterance.words)
        phrases.append(
            TimedPhrase(
                start_ms=_ms(utterance.start_s), end_ms=_ms(utterance.end_s), first_word=place, word_edges_ms=edges
            )
        )
        place += len(edges)
    return RecordedReading(path=path, reasons=tuple(reasons), phrases=tuple(phrases))


def recorded_outcomes(clips: Iterable[Clip], file: Path = RECORD) -> dict[str, Outcome]:
    """By path, of those of the clips that are recorded. Raises InvalidRequestError for one with another text."""
    outcomes, recorded = {}, recorded_readings(file)
    for clip in clips:
        texts_of = CORPORA[clip.corpus].recorded_of
        if texts_of is not None and clip.path in recorded:
            outcomes[clip.path] = outcome_of(clip, recorded[clip.path].reading(texts_of(clip.text)))
    return outcomes


def record(clips: Iterable[Clip], outcomes: Iterable[Outcome], file: Path = RECORD) -> None:
    """Records what came of those of the clips who judge, outcomes one for one; other recordings stay as they are."""
    readings = recorded_readings(file)
    for clip, outcome in zip(clips, outcomes, strict=True):
        texts_of = CORPORA[clip.corpus].recorded_of
        if clip.split in JUDGED_SPLITS and texts_of is not None:
            readings[clip.path] = to_record(clip.path, outcome.reasons, outcome.utterances, texts_of(clip.text))
    write_text(file, "".join(readings[path].line() + "\n" for path in sorted(readings)))


def recorded_readings(file: Path = RECORD) -> dict[str, RecordedReading]:
    """By path of the recording."""
    readings = map(_reading_of, file.read_text(encoding="utf-8").splitlines() if file.is_file() else ())
    return {reading.path: reading for reading in readings}


def _reading_of(line: str) -> RecordedReading:
    fields = json.loads(line)
    phrases = (
        TimedPhrase(
            start_ms=start_ms, end_ms=end_ms, first_word=first_word, word_edges_ms=tuple((a, b) for a, b in edges)
        )
        for start_ms, end_ms, first_word, edges in fields["phrases"]
    )
    return RecordedReading(path=fields["path"], reasons=tuple(fields["reasons"]), phrases=tuple(phrases))


def _found(utterance: Utterance, texts: Sequence[str], place: int) -> int:
    """Where its words stand in the text, from `place` on."""
    words = [word.text for word in utterance.words]
    fits = (at for at in range(place, len(texts) - len(words) + 1) if list(texts[at : at + len(words)]) == words)
    found = next(fits, None)
    if found is None:
        raise ValueError(f"{utterance.utterance_id} is not in the text of its recording")
    return found


def _ms(seconds: float) -> int:
    return round(1000 * seconds)
