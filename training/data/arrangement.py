"""Which of the two channels each turn is written to: what the transcriber is taught and judged by.

Two rules behind one switch. `overlap` keeps a conversation on one channel for as long as nobody interrupts (our reading
of MT-RNN-T, arXiv 2112.10200); `heat` takes the first channel that is free (arXiv 2011.11671, as SURT applies it).
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

from svc.types import Span

NUM_CHANNELS = 2
Arrangement = Literal["overlap", "heat"]


def arrange(spans: Sequence[Span], *, how: Arrangement = "overlap") -> tuple[int, ...]:
    """A channel, 0 or 1, for each of the spans, which must be in order of start.

    Where at most two talk at once no two spans of a channel overlap; where three do, some must.
    Raises ValueError when the spans are out of order.
    """
    if any(later.start_s < earlier.start_s for earlier, later in pairwise(spans)):
        raise ValueError("spans must be in order of start")
    choose = RULES[how]
    free_at_s = [0.0] * NUM_CHANNELS
    channels: list[int] = []
    for span in spans:
        channel = choose(span.start_s, free_at_s, channels[-1] if channels else 0)
        free_at_s[channel] = max(free_at_s[channel], span.end_s)
        channels.append(channel)
    return tuple(channels)


def _by_overlap(start_s: float, free_at_s: Sequence[float], current: int) -> int:
    return current if free_at_s[current] <= start_s else 1 - current


def _first_free(start_s: float, free_at_s: Sequence[float], current: int) -> int:
    free = (channel for channel in range(NUM_CHANNELS) if free_at_s[channel] <= start_s)
    return next(free, min(range(NUM_CHANNELS), key=free_at_s.__getitem__))


# (start of the turn, when each channel falls free, channel of the turn before) -> channel.
RULES: dict[Arrangement, Callable[[float, Sequence[float], int], int]] = {"overlap": _by_overlap, "heat": _first_free}
