"""Turns as RTTM, the NIST text format of one SPEAKER line a turn, and as plain values for JSON."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from svc.errors import InvalidRequestError
from svc.types import DiarizationResult, Span, Turn


def to_rttm(result: DiarizationResult, uri: str) -> str:
    """One line a turn, times to the millisecond. Raises InvalidRequestError when `uri` holds white space."""
    return turns_to_rttm(result.turns, uri)


def turns_to_rttm(turns: Iterable[Turn], uri: str) -> str:
    """The same of turns alone."""
    check_uri(uri, "RTTM")
    lines = (
        f"SPEAKER {uri} 1 {turn.span.start_s:.3f} {turn.span.duration_s:.3f} <NA> <NA> {turn.speaker} <NA> <NA>\n"
        for turn in turns
    )
    return "".join(lines)


def check_uri(uri: str, layout: str) -> None:
    """Raises InvalidRequestError when a recording's name holds white space, which separates columns."""
    if not uri or uri.split() != [uri]:
        raise InvalidRequestError(f"uri {uri!r} must be one word without spaces, as {layout} columns are", field="uri")


def read_rttm(path: Path) -> dict[str, tuple[Turn, ...]]:
    """The turns of each recording in a file, in order. Raises InvalidRequestError naming the line at fault."""
    turns: dict[str, list[Turn]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        columns = line.split()
        # Other types (SPKR-INFO, NOSCORE ..) carry no turn.
        if not columns or columns[0] != "SPEAKER":
            continue
        try:
            uri, start_s, duration_s, speaker = columns[1], float(columns[3]), float(columns[4]), columns[7]
        except (IndexError, ValueError) as error:
            message = f"{path}:{number}: not an RTTM line ({error}); expected SPEAKER uri 1 start duration .. name"
            raise InvalidRequestError(message, field="rttm") from error
        turns.setdefault(uri, []).append(Turn(Span(start_s, start_s + duration_s), speaker))
    return {uri: tuple(sorted(found)) for uri, found in turns.items()}


def to_plain(result: DiarizationResult) -> dict[str, Any]:
    """Lists, strings and numbers only, ready for json.dumps; voiceprints are left out."""
    return {
        "duration_s": round(result.duration_s, 3),
        "model_fingerprint": result.model_fingerprint,
        "turns": [{**_plain_span(turn.span), "speaker": turn.speaker} for turn in result.turns],
        "overlaps": [_plain_span(span) for span in result.overlaps],
        "speakers": [
            {
                "label": speaker.label,
                "speech_s": round(speaker.speech_s, 3),
                "profile_id": speaker.profile.profile_id if speaker.profile else None,
            }
            for speaker in result.speakers
        ],
    }


def _plain_span(span: Span) -> dict[str, float]:
    return {"start_s": round(span.start_s, 3), "end_s": round(span.end_s, 3)}
