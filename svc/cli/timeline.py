"""Who spoke when, drawn in a terminal: one lane a speaker over a common axis."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from equivox import DiarizationResult, SpeakerTurn
from svc.cli.render import listing

COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red")
# Darkness of a cell by the share of it that is speech.
SHADES = " ░▒▓█"
MIN_CELLS = 20
# An empty recording still has an axis.
SHORTEST_S = 1e-3
CELLS_BETWEEN_TICKS = 12
ROUND_STEPS_S = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)


def show_diarization(console: Console, result: DiarizationResult) -> None:
    """Lanes, then a line a speaker."""
    if not result.turns:
        console.print(f"nobody was heard speaking in {result.duration_s:.1f} s")
        return
    names = {speaker.label: speaker.profile.profile_id if speaker.profile else "" for speaker in result.speakers}
    margin = max((len(label) for label in names), default=0) + 2
    num_cells = max(MIN_CELLS, console.width - margin - 2)
    for number, label in enumerate(names):
        turns = [turn for turn in result.turns if turn.speaker == label]
        cells = lane(turns, result.duration_s, num_cells)
        console.print(Text.assemble((label.ljust(margin), "bold"), (cells, COLOURS[number % len(COLOURS)])))
    console.print(Text(" " * margin + axis(result.duration_s, num_cells), style="dim"))
    rows = [
        (
            speaker.label,
            names[speaker.label] or "-",
            f"{speaker.speech_s:.1f} s",
            str(sum(turn.speaker == speaker.label for turn in result.turns)),
        )
        for speaker in result.speakers
    ]
    console.print(listing(("speaker", "profile", "speech", "turns"), rows))
    overlap_s = sum(span.duration_s for span in result.overlaps)
    console.print(f"{result.duration_s:.1f} s in all, {overlap_s:.1f} s of it overlapped", style="dim")


def lane(turns: Sequence[SpeakerTurn], duration_s: float, num_cells: int) -> str:
    """One character a cell, darker the more of it is speech."""
    cell_s = max(duration_s, SHORTEST_S) / num_cells
    return "".join(
        _shade(_speech_s(turns, number * cell_s, (number + 1) * cell_s) / cell_s) for number in range(num_cells)
    )


def _speech_s(turns: Sequence[SpeakerTurn], start_s: float, end_s: float) -> float:
    return sum(max(0.0, min(end_s, turn.span.end_s) - max(start_s, turn.span.start_s)) for turn in turns)


def _shade(share: float) -> str:
    # Any speech at all shows; only a full cell is solid.
    return SHADES[0] if share <= 1e-9 else SHADES[max(1, min(len(SHADES) - 1, round(share * (len(SHADES) - 1))))]


def axis(duration_s: float, num_cells: int) -> str:
    """Times under the lanes at round steps."""
    duration_s = max(duration_s, SHORTEST_S)
    wanted_s = duration_s * CELLS_BETWEEN_TICKS / num_cells
    step_s = next((step for step in ROUND_STEPS_S if step >= wanted_s), duration_s)
    line, at_s = "", 0.0
    while at_s < duration_s:
        line = line.ljust(int(at_s / duration_s * num_cells)) + f"|{clock(at_s)}"
        at_s += step_s
    return line[:num_cells]


def clock(at_s: float) -> str:
    """1:02:03, 2:03 or 3.5."""
    if at_s < 60:
        return f"{at_s:g}"
    minutes, seconds = divmod(round(at_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
