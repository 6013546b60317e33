"""What was misheard of each utterance, one JSON object a line: what cohorts are found and judged by.

`{"utterance_id", "speaker", "domain", "recording", "words", "substitutions", "deletions", "insertions", "duration_s",
"transcriber"}`; words are of the reference, `recording` names what was heard in one piece.
"""

import errno
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from os import SEEK_END
from pathlib import Path
from typing import Any

from svc.errors import InvalidRequestError
from training.data.manifest import text_of
from training.data.transcripts import Transcript, TranscriptWord
from training.metrics.transcription import WordErrors
from training.metrics.word_alignment import word_pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class UtteranceErrors:
    """One utterance as one system heard it. `transcriber`: the fingerprint of the model."""

    utterance_id: str
    speaker: str
    domain: str
    recording: str
    duration_s: float
    transcriber: str
    errors: WordErrors


def errors_by_turn(reference: Transcript, heard: Transcript) -> list[WordErrors]:
    """The errors of each turn of one talker in one recording; both sides as spoken words.

    What was heard is taken in order of time whatever its channel: one talker needs no second one. A word too many
    belongs to the turn nearest in time.
    """
    said = list(chain.from_iterable(turn.words for turn in reference))
    found = sorted(chain.from_iterable(turn.words for turn in heard), key=lambda word: word.start_s)
    turn_of = [number for number, turn in enumerate(reference) for _ in turn.words]
    counts = [WordErrors(words=len(turn.words)) for turn in reference]
    for r, h in word_pairs([word.text for word in said], [word.text for word in found]):
        if r is None and h is not None:
            counts[_nearest(reference, found[h])] += WordErrors(insertions=1)
        elif r is not None and h is None:
            counts[turn_of[r]] += WordErrors(deletions=1)
        elif r is not None and h is not None:
            counts[turn_of[r]] += WordErrors(substitutions=int(said[r].text != found[h].text))
    return counts


def line_of(utterance: UtteranceErrors) -> str:
    """Without the end of line."""
    fields: dict[str, Any] = asdict(utterance)
    counts = fields.pop("errors")
    return json.dumps(fields | counts | {"duration_s": round(utterance.duration_s, 3)}, ensure_ascii=False)


def read_errors(path: Path) -> list[UtteranceErrors]:
    """All lines that are whole: one cut short by the end of its process is passed over.

    Raises InvalidRequestError naming the line at fault, or when two models or none have spoken.
    """
    if not path.is_file():
        message = f"no errors at {path}: make them with python -m training.recognise_utterances"
        raise InvalidRequestError(message, field="errors")
    text = text_of(path, "errors")
    *lines, _ = text.split("\n")
    found = [_read(line, f"{path}:{number}") for number, line in enumerate(lines, 1)]
    if len(models := {one.transcriber for one in found}) > 1:
        raise InvalidRequestError(f"{path} is of several models: {', '.join(sorted(models))}", field="errors")
    if len({one.utterance_id for one in found}) < len(found):
        raise InvalidRequestError(f"{path} has an utterance twice", field="errors")
    return found


def append_errors(path: Path, utterances: Sequence[UtteranceErrors]) -> None:
    """In one write, taken back where it fails, so that a recording is there whole or not at all; a line that was cut
    short before goes. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Unbuffered: what a buffer could not write it would try again.
    with path.open("ab+", buffering=0) as file:
        file.seek(max(0, file.seek(0, SEEK_END) - 1))
        # As a rule the end of a line: what was heard in hours is not read again for each recording.
        if file.read() != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
        end, lines = file.seek(0, SEEK_END), "".join(f"{line_of(one)}\n" for one in utterances).encode()
        try:
            if file.write(lines) < len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        except OSError:
            file.truncate(end)
            raise


def _nearest(reference: Transcript, word: TranscriptWord) -> int:
    middle_s = (word.start_s + word.end_s) / 2
    apart_s = [max(turn.start_s - middle_s, middle_s - turn.end_s, 0.0) for turn in reference]
    return apart_s.index(min(apart_s))


def _read(line: str, where: str) -> UtteranceErrors:
    try:
        fields: Mapping[str, Any] = json.loads(line)
        counts = {name: int(fields[name]) for name in ("words", "substitutions", "deletions", "insertions")}
        names = ("utterance_id", "speaker", "domain", "recording", "transcriber")
        return UtteranceErrors(
            **{name: str(fields[name]) for name in names},
            duration_s=float(fields["duration_s"]),
            errors=WordErrors(**counts),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidRequestError(f"{where}: no errors of an utterance: {error!r}", field="errors") from None
