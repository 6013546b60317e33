"""Which of a server's threads the processor's time goes to, read when somebody scrapes."""

import os
import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

# "stream_7" and "embedder-0" are each one of many alike.
KIND = re.compile(r"[A-Za-z]+")
# Of /proc/<pid>/task/<tid>/stat, counted from behind the name, which may hold spaces.
USER_TICKS, SYSTEM_TICKS = 11, 12


class ThreadTimes(Collector):
    """Threads of Python's alone, those of libraries are in the process's total; empty where there is no /proc."""

    def collect(self) -> Iterator[CounterMetricFamily]:
        """One series a kind of thread, named as its first word."""
        family = CounterMetricFamily("equivox_thread_cpu_seconds", "Processor time of threads", labels=["threads"])
        for kind, seconds in sorted(seconds_by_kind().items()):
            family.add_metric([kind], seconds)
        yield family


def seconds_by_kind() -> dict[str, float]:
    """The kinds of threads alive -> seconds of processor time so far."""
    seconds: dict[str, float] = defaultdict(float)
    for thread in threading.enumerate():
        kind = KIND.match(thread.name)
        seconds[kind[0] if kind else "unnamed"] += seconds_of(thread.native_id)
    return seconds


def seconds_of(native_id: int | None) -> float:
    """0 for a thread that has not begun, has ended, or cannot be looked up."""
    try:
        text = Path(f"/proc/self/task/{native_id}/stat").read_text("ascii", errors="replace")
    except OSError:
        return 0.0
    fields = text.rpartition(")")[2].split()
    return (int(fields[USER_TICKS]) + int(fields[SYSTEM_TICKS])) / os.sysconf("SC_CLK_TCK")
