"""The processor time of threads: by kind, and never more than the process's."""

import sys
import threading
import time

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from svc.rpc.thread_times import ThreadTimes, seconds_by_kind

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def busy_until(done: threading.Event) -> None:
    while not done.is_set():
        sum(range(1000))


def test_threads_of_a_kind_count_together() -> None:
    done = threading.Event()
    threads = [threading.Thread(target=busy_until, args=(done,), name=f"worker-{number}") for number in range(2)]
    for thread in threads:
        thread.start()
    until_s = time.monotonic() + 10
    while seconds_by_kind()["worker"] < 0.05 and time.monotonic() < until_s:
        time.sleep(0.01)
    seconds = seconds_by_kind()
    done.set()
    assert 0.05 <= seconds["worker"] <= sum(seconds.values()) <= time.process_time() + 0.1


def test_each_kind_is_a_series() -> None:
    registry = CollectorRegistry()
    registry.register(ThreadTimes())
    assert 'equivox_thread_cpu_seconds_total{threads="MainThread"}' in generate_latest(registry).decode()
