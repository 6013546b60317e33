"""Fair timing on a machine that is never quite quiet: contenders take turns, and ratios are taken within a turn."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `aim` says what the issue asks for."""

    what: str
    value: str
    aim: str = ""


@dataclass(frozen=True, slots=True)
class Turns:
    """Units of work per second of each contender, turn by turn."""

    rates: Mapping[str, list[float]]

    def rate(self, name: str) -> float:
        """Median over the turns."""
        return median(self.rates[name])

    def ratio(self, name: str, peer: str) -> float:
        """Median over the turns of name / peer: both saw the same machine."""
        return median(ours / theirs for ours, theirs in zip(self.rates[name], self.rates[peer], strict=True))


def take_turns(contenders: Mapping[str, Callable[[], int]], *, num_turns: int, warm_up: bool = True) -> Turns:
    """Runs all contenders num_turns times, after one unmeasured round; each returns the units of work it did."""
    if warm_up:
        for work in contenders.values():
            work()
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(num_turns):
        for name, work in contenders.items():
            started_s = time.perf_counter()
            num_done = work()
            rates[name].append(num_done / (time.perf_counter() - started_s))
    return Turns(rates)


def show(title: str, rows: list[Row]) -> None:
    """Prints a table that can be pasted into README.md."""
    print(f"\n### {title}\n\n| what | measured | aim |\n|---|---|---|")
    for row in rows:
        print(f"| {row.what} | {row.value} | {row.aim} |")
