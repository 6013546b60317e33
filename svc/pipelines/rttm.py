"""Turns as RTTM, the NIST text format of one SPEAKER line a turn."""

from collections.abc import Iterable
from pathlib import Path

from svc.errors import InvalidRequestError
from svc.types import Span, Turn


def to_rttm(turns: Iterable[Turn], uri: str) -> str:
    """One line a turn, times to the millisecond. Raises InvalidRequestError when `uri` holds white space."""
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
