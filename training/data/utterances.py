"""Utterances: stretches of one talker with the times of their words, one JSON object a line."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from svc.errors import InvalidRequestError
from svc.whole_file import replacing
from training.data.manifest import opened


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word in lower case, and its seconds from the start of what holds it."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """One stretch of one talker. `path` is relative to the folder of the data, the stretch is within the recording."""

    utterance_id: str
    path: str
    start_s: float
    end_s: float
    speaker: str
    sex: str
    domain: str
    split: str
    words: tuple[TimedWord, ...]

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


def read_utterances(path: Path) -> list[Utterance]:
    """All utterances in file order. Raises InvalidRequestError naming the file, and the line at fault."""
    if not path.is_file():
        raise InvalidRequestError(f"no utterances at {path}: make them with python -m training.data.align")
    with opened(path, "utterances") as file:
        return [utterance_of(line, f"{path}:{number}") for number, line in enumerate(file, 1) if line.strip()]


def write_utterances(path: Path, utterances: Iterable[Utterance]) -> None:
    """One line an utterance; written beside and renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside, beside.open("w", encoding="utf-8") as file:
        file.writelines(line_of(utterance) + "\n" for utterance in utterances)


def line_of(utterance: Utterance) -> str:
    """The utterance as one line; words as [text, start, end] in milliseconds' precision."""
    words = [[word.text, round(word.start_s, 3), round(word.end_s, 3)] for word in utterance.words]
    fields = asdict(utterance) | {"words": words}
    fields |= {name: round(fields[name], 3) for name in ("start_s", "end_s")}
    return json.dumps(fields, ensure_ascii=False)


def utterance_of(line: str, where: str) -> Utterance:
    """The inverse of line_of. Raises InvalidRequestError that begins with `where`."""
    try:
        fields = json.loads(line)
        words = tuple(TimedWord(str(text), float(start), float(end)) for text, start, end in fields.pop("words"))
        utterance = Utterance(**fields, words=words)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidRequestError(f"{where}: not an utterance: {error}") from None
    if not 0 <= utterance.start_s < utterance.end_s:
        raise InvalidRequestError(f"{where}: need 0 <= start_s < end_s")
    return utterance
