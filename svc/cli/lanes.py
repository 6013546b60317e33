"""A conversation drawn while it happens: a lane a speaker, turns in order of time, what may still change in grey."""

from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from equivox import PartialWords, Transcript, TranscriptionEvent, TranscriptTurn, TurnEnded
from svc.cli.timeline import COLOURS, clock

# More speakers than this share the last lane, by name.
MAX_LANES = 4
TIME_WIDTH = 9


class Lanes:
    """The transcript so far and the partial words of open turns; draws itself as high as the terminal."""

    def __init__(self) -> None:
        self.transcript = Transcript()
        self._partials: dict[int, str] = {}

    def add(self, event: TranscriptionEvent) -> None:
        """The next event."""
        if isinstance(event, PartialWords):
            self._partials[event.turn_id] = " ".join(word.text for word in event.words)
            return
        if isinstance(event, TurnEnded):
            self._partials.pop(event.turn_id, None)
        self.transcript.add(event)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.table(options.max_height - 2)

    def table(self, max_turns: int | None = None) -> Table:
        """All turns with something in them, or the last ones."""
        turns = [turn for turn in self.transcript.turns if turn.words or turn.turn_id in self._partials]
        lanes = lanes_of(turns)
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", expand=True)
        table.add_column("time", style="dim", width=TIME_WIDTH, no_wrap=True)
        for number, name in enumerate(lanes):
            table.add_column(Text(name), style=colour(number), ratio=1, overflow="fold")
        for turn in turns[-max_turns:] if max_turns else turns:
            cells = [Text() for _ in lanes]
            cells[lane_of(turn, lanes)] = self._cell(turn, lanes)
            table.add_row(clock(round(turn.start_s, 1)), *cells)
        return table

    def _cell(self, turn: TranscriptTurn, lanes: Sequence[str]) -> Text:
        shared = name_of(turn) not in lanes
        text = Text(f"{name_of(turn)}: {turn.text}" if shared else turn.text)
        if partial := self._partials.get(turn.turn_id):
            text.append(f" {partial}" if turn.words else partial, style="dim italic")
        if turn.end_s is None:
            text.append(" ..", style="dim")
        return text


def lanes_of(turns: Sequence[TranscriptTurn]) -> list[str]:
    """Speakers by their first turn; those past the last lane share it."""
    names = list(dict.fromkeys(name_of(turn) for turn in turns))
    return names if len(names) <= MAX_LANES else [*names[: MAX_LANES - 1], "others"]


def lane_of(turn: TranscriptTurn, lanes: Sequence[str]) -> int:
    name = name_of(turn)
    return lanes.index(name) if name in lanes else len(lanes) - 1


def name_of(turn: TranscriptTurn) -> str:
    """The lane's: the speaker's, or where nobody can tell who it is, the channel's, for two at once stay apart."""
    return turn.speaker.name if turn.speaker.known else f"? channel {turn.channel}"


def colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]
