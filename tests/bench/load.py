"""Ten minutes at 80 % of capacity: `python -m tests.bench.load --minutes 10`. Errors, latency, growth of memory.

Arrivals are a Poisson process at a fixed rate, whatever the server does (open loop): a slow answer does not slow the
callers down, so waiting shows in the percentiles. Only this machine is loaded.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from equivox import AsyncClient, EquivoxError
from tests.bench.clips import speech_clips, wav
from tests.bench.service import embed_over_wire
from tests.bench.timing import Row, show
from tests.e2e.server_process import ServerProcess, server_process

NUM_CLIPS = 64
SHARE_OF_CAPACITY = 0.8
CAPACITY_S = 20.0
WARM_S = 60.0
SAMPLE_S = 5.0
WINDOW_S = 60.0
MAX_GROWTH = 0.02


@dataclass
class Tally:
    """What came of the calls."""

    latencies_s: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    rss: list[tuple[float, int]] = field(default_factory=list)  # (seconds since start, bytes)

    def rss_in(self, start_s: float, end_s: float) -> float:
        """Median bytes in a window."""
        return median(size for at_s, size in self.rss if start_s <= at_s <= end_s)

    def growth(self, duration_s: float) -> float:
        """Of memory, as a share: from the first minute after the warm-up to the last."""
        return self.rss_in(duration_s - WINDOW_S, duration_s) / self.rss_in(WARM_S, WARM_S + WINDOW_S) - 1

    def exit_code(self, duration_s: float) -> int:
        """1 when there was an error, or memory grew by MAX_GROWTH or more."""
        return 1 if self.errors or self.growth(duration_s) >= MAX_GROWTH else 0


async def capacity(address: str, files: list[bytes]) -> float:
    """Embeds a second with 16 callers, after a first round that nobody counts."""
    await embed_over_wire(address, files)
    num_done, started_s = 0, time.perf_counter()
    while time.perf_counter() - started_s < CAPACITY_S:
        num_done += await embed_over_wire(address, files)
    return num_done / (time.perf_counter() - started_s)


async def one_call(client: AsyncClient, file: bytes, tally: Tally) -> None:
    started_s = time.perf_counter()
    try:
        await client.embed(file, timeout_s=30)
    except EquivoxError as error:
        tally.errors[f"{error.code.name} {error.reason}"] += 1
    else:
        tally.latencies_s.append(time.perf_counter() - started_s)


async def load(server: ServerProcess, files: list[bytes], *, rate_per_s: float, duration_s: float) -> Tally:
    """Calls at random moments, rate_per_s of them on average."""
    tally, random = Tally(), np.random.default_rng(0)
    started_s = time.monotonic()
    watching = asyncio.create_task(watch(server, tally, started_s))
    running: set[asyncio.Task[None]] = set()
    async with AsyncClient(server.address) as client:
        next_s = started_s
        while next_s < started_s + duration_s:
            next_s += random.exponential(1 / rate_per_s)
            await asyncio.sleep(max(0.0, next_s - time.monotonic()))
            task = asyncio.create_task(one_call(client, files[random.integers(len(files))], tally))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)
    watching.cancel()
    return tally


async def watch(server: ServerProcess, tally: Tally, started_s: float) -> None:
    while True:
        tally.rss.append((time.monotonic() - started_s, server.rss_bytes))
        await asyncio.sleep(SAMPLE_S)


def rows_of(tally: Tally, *, rate_per_s: float, capacity_per_s: float, duration_s: float) -> list[Row]:
    """First minute after the warm-up against the last minute."""
    p50, p95, p99 = np.percentile(tally.latencies_s, [50, 95, 99]) * 1000
    before = tally.rss_in(WARM_S, WARM_S + WINDOW_S)
    after = tally.rss_in(duration_s - WINDOW_S, duration_s)
    return [
        Row("capacity, 16 callers", f"{capacity_per_s:.1f} Embed/s"),
        Row("load, Poisson arrivals", f"{rate_per_s:.1f} Embed/s for {duration_s / 60:.0f} min", "80 % of capacity"),
        Row("calls answered", f"{len(tally.latencies_s)}"),
        Row("errors", f"{sum(tally.errors.values())} {dict(tally.errors) or ''}".strip(), "0"),
        Row("latency p50 / p95 / p99", f"{p50:.0f} / {p95:.0f} / {p99:.0f} ms"),
        Row("server's memory, minute 2", f"{before / 2**20:.0f} MiB"),
        Row("server's memory, last minute", f"{after / 2**20:.0f} MiB"),
        Row("growth", f"{tally.growth(duration_s):+.2%}", f"< {100 * MAX_GROWTH:g} %"),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="at least 3: warm-up, first and last window")
    duration_s = 60 * parser.parse_args().minutes
    if duration_s < WARM_S + 2 * WINDOW_S:
        parser.error("need --minutes >= 3")
    files = [wav(clip) for clip in speech_clips(NUM_CLIPS)]
    with TemporaryDirectory() as folder, server_process(Path(folder)) as server:
        capacity_per_s = asyncio.run(capacity(server.address, files))
        rate_per_s = SHARE_OF_CAPACITY * capacity_per_s
        tally = asyncio.run(load(server, files, rate_per_s=rate_per_s, duration_s=duration_s))
    rows = rows_of(tally, rate_per_s=rate_per_s, capacity_per_s=capacity_per_s, duration_s=duration_s)
    show("Load", rows)
    return tally.exit_code(duration_s)


if __name__ == "__main__":
    sys.exit(main())
