"""Who said what, when: transcripts as JSON lines, one turn or one stretch of words a line, and NIST's STM.

    {"recording": "a", "speaker": "S0", "channel": 0, "start_s": 0.4, "end_s": 1.9, "words": [["hello", 0.5, 0.9], ..]}
    {"recording": "a", "speaker": "S0", "channel": 0, "start_s": 0.5, "end_s": 0.9, "text": "hello"}

A live system adds when it said so, in seconds of the recording: `started_at_s` and `ended_at_s` to a turn, a fourth
number to a word. Lines with `text` are joined to turns where one speaker goes on within a second on one channel. A line
with a recording and nothing else is a recording in which nobody speaks.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from svc.errors import InvalidRequestError
from svc.whole_file import replacing
from training.data.manifest import text_of

# Words of one speaker further apart than this are two turns, when a file does not say.
TURN_GAP_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptWord:
    """A word of one piece of text; `said_at_s` is when a live system gave it for good, none = unknown."""

    text: str
    start_s: float
    end_s: float
    said_at_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptTurn:
    """One speaker's stretch of words, in order; the last two say when a live system reported its borders."""

    speaker: str
    channel: int
    start_s: float
    end_s: float
    words: tuple[TranscriptWord, ...]
    started_at_s: float | None = None
    ended_at_s: float | None = None


# Of one recording, in order of start.
Transcript = tuple[TranscriptTurn, ...]


def read_transcripts(path: Path) -> dict[str, Transcript]:
    """Recording -> its turns, from .stm or else JSON lines. Raises InvalidRequestError naming the line at fault."""
    if not path.is_file():
        raise InvalidRequestError(f"no transcripts at {path}", field="transcripts")
    parse = _stm_turn if path.suffix.lower() == ".stm" else _json_turn
    recordings: dict[str, None] = {}
    whole: dict[str, list[TranscriptTurn]] = defaultdict(list)
    pieces: dict[str, list[TranscriptTurn]] = defaultdict(list)
    for number, line in enumerate(text_of(path, "transcripts").split("\n"), start=1):
        if not line.strip() or line.startswith(";;"):
            continue
        try:
            recording, turn, is_whole = parse(line)
            recordings.setdefault(recording)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise InvalidRequestError(f"{path}:{number}: {_fault(line, error)}", field="transcripts") from None
        if turn is None:
            continue
        if not turn.start_s <= turn.end_s:
            raise InvalidRequestError(f"{path}:{number}: starts after it ends", field="transcripts")
        (whole if is_whole else pieces)[recording].append(turn)
    return {name: in_order([*whole[name], *joined(pieces[name])]) for name in recordings}


def _fault(line: str, error: Exception) -> str:
    if line.startswith('{"event"'):
        return "an event of `equivox transcribe --json`, no turn or word: give what its --stm FILE writes"
    if isinstance(error, KeyError):
        return f"no {error.args[0]} in this turn or word"
    if isinstance(error, json.JSONDecodeError):
        return "not JSON; lines as NIST has them must be in a file that ends in .stm"
    return f"not a transcript line: {error}"


def write_transcripts(path: Path, transcripts: Mapping[str, Sequence[TranscriptTurn]]) -> None:
    """A line a turn, written beside and renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside, beside.open("w", encoding="utf-8") as file:
        for recording, turns in transcripts.items():
            lines = [_line_of(recording, turn) for turn in turns] or [json.dumps({"recording": recording})]
            file.writelines(line + "\n" for line in lines)


def said_at(turns: Transcript, at_s: float) -> Transcript:
    """As of a system that gives all words at once."""
    return tuple(replace(turn, words=tuple(replace(word, said_at_s=at_s) for word in turn.words)) for turn in turns)


def joined(pieces: Sequence[TranscriptTurn]) -> list[TranscriptTurn]:
    """Pieces of one speaker on one channel that follow each other within TURN_GAP_S, as one turn each."""
    turns: list[TranscriptTurn] = []
    latest: dict[tuple[str, int], int] = {}
    for piece in in_order(pieces):
        key = piece.speaker, piece.channel
        if key in latest and piece.start_s - turns[latest[key]].end_s <= TURN_GAP_S:
            turn = turns[latest[key]]
            turns[latest[key]] = replace(turn, end_s=max(turn.end_s, piece.end_s), words=turn.words + piece.words)
        else:
            latest[key] = len(turns)
            turns.append(piece)
    return turns


def in_order(turns: Iterable[TranscriptTurn]) -> Transcript:
    return tuple(sorted(turns, key=lambda turn: (turn.start_s, turn.end_s, turn.channel)))


def spread_words(text: Sequence[str], start_s: float, end_s: float) -> tuple[TranscriptWord, ...]:
    """Words whose times nobody knows, by their letters evenly over a stretch."""
    letters = sum(map(len, text))
    words, before = [], 0
    for word in text:
        edges = (start_s + (end_s - start_s) * count / letters for count in (before, before + len(word)))
        words.append(TranscriptWord(text=word, start_s=next(edges), end_s=next(edges)))
        before += len(word)
    return tuple(words)


def _json_turn(line: str) -> tuple[str, TranscriptTurn | None, bool]:
    """Its recording, the turn if any, and whether it is a turn or a piece of one."""
    fields: dict[str, Any] = json.loads(line)
    if fields.keys() == {"recording"}:
        return str(fields["recording"]), None, True
    start_s, end_s = float(fields["start_s"]), float(fields["end_s"])
    is_whole = "words" in fields
    words = (
        tuple(_word_of(*word) for word in fields["words"])
        if is_whole
        else spread_words(str(fields["text"]).split(), start_s, end_s)
    )
    turn = TranscriptTurn(
        speaker=str(fields.get("speaker", "")),
        channel=int(fields.get("channel", 0)),
        start_s=start_s,
        end_s=end_s,
        words=words,
        started_at_s=_number_or_none(fields.get("started_at_s")),
        ended_at_s=_number_or_none(fields.get("ended_at_s")),
    )
    return str(fields["recording"]), turn, is_whole


def _stm_turn(line: str) -> tuple[str, TranscriptTurn | None, bool]:
    """`recording channel speaker start end [<labels>] word ..`."""
    recording, channel, speaker, start, end, *words = line.split()
    if words and words[0].startswith("<") and words[0].endswith(">") and words[0] != "<unk>":
        words = words[1:]
    start_s, end_s = float(start), float(end)
    turn = TranscriptTurn(
        speaker=speaker,
        channel=int(channel) if channel.isdigit() else 0,
        start_s=start_s,
        end_s=end_s,
        words=spread_words(words, start_s, end_s),
    )
    return recording, turn, True


def _word_of(text: str, start_s: float, end_s: float, said_at_s: float | None = None) -> TranscriptWord:
    return TranscriptWord(
        text=str(text), start_s=float(start_s), end_s=float(end_s), said_at_s=_number_or_none(said_at_s)
    )


def _line_of(recording: str, turn: TranscriptTurn) -> str:
    words = [[word.text, word.start_s, word.end_s, *_known(word.said_at_s)] for word in turn.words]
    fields: dict[str, Any] = {
        "recording": recording,
        "speaker": turn.speaker,
        "channel": turn.channel,
        "start_s": turn.start_s,
        "end_s": turn.end_s,
        "words": words,
    }
    said = {"started_at_s": turn.started_at_s, "ended_at_s": turn.ended_at_s}
    fields |= {name: value for name, value in said.items() if value is not None}
    return json.dumps(fields, ensure_ascii=False)


def _known(value: float | None) -> list[float]:
    return [] if value is None else [value]


def _number_or_none(value: object) -> float | None:
    return None if value is None else float(str(value))
