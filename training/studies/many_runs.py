"""Runs of a study: each once, after those it starts from, some at a time, each in a process of its own.

A run that fails is named and the others go on; what is finished is not repeated. What each says is in its log.
"""

import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from svc.errors import ServiceError

LOG = "log.txt"


class StudyRun(Protocol):
    """A run by its name, and the names of those that must be done before."""

    @property
    def name(self) -> str: ...

    @property
    def starts(self) -> tuple[str, ...]: ...


Run = TypeVar("Run", bound=StudyRun)
Result = TypeVar("Result")


class RunFailedError(Exception):
    """A run that ended without its result; says why."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Run]):
    """How a run went: nothing wrong, or what."""

    run: Run
    problem: str | None
    took_s: float


def run_named(runs: Sequence[Run], name: str) -> Run:
    """Raises ValueError listing the names there are."""
    by_name = _by_name(runs)
    if name not in by_name:
        raise ValueError(f"no run {name}; there are {', '.join(by_name)}")
    return by_name[name]


def by_arm_and_seed(results: Iterable[tuple[str, int, Result | None]]) -> dict[str, dict[int, Result]]:
    """What came of the runs of each arm; None = not finished."""
    found: defaultdict[str, dict[int, Result]] = defaultdict(dict)
    for arm, seed, result in results:
        if result is not None:
            found[arm][seed] = result
    return found


def all_told(runs: Sequence[Run], work: Callable[[Run], None], *, done: Callable[[Run], bool], jobs: int) -> bool:
    """`do_all` with a line on stderr for every run that ends; whether none failed."""
    each = _by_name(runs)
    told = Told(len(each), sum(map(done, each.values())))
    outcomes = do_all(runs, work, done=done, jobs=jobs, on_outcome=told)
    return not any(outcome.problem for outcome in outcomes)


def do_all(
    runs: Sequence[Run],
    work: Callable[[Run], None],
    *,
    done: Callable[[Run], bool],
    jobs: int,
    on_outcome: Callable[[Outcome[Run]], None] = lambda outcome: None,
) -> list[Outcome[Run]]:
    """Every run that is not done, after those it starts from; what needs one that failed is not tried. Runs of one name
    are one.

    A run that must wait for another keeps no other from being done meanwhile.
    """
    left = [run for run in _by_name(runs).values() if not done(run)]
    names = [run.name for run in left]
    outcomes: dict[str, Outcome[Run]] = {}
    under_way: set[Future[Outcome[Run]]] = set()
    pool = ThreadPoolExecutor(jobs)
    try:
        while len(outcomes) < len(names):
            unfinished = set(names) - outcomes.keys()
            ready = [run for run in left if not unfinished.intersection(run.starts)]
            for run in ready[: jobs - len(under_way)]:
                left.remove(run)
                under_way.add(pool.submit(_attempt, run, work, outcomes))
            ended, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for future in ended:
                outcomes[future.result().run.name] = future.result()
                on_outcome(future.result())
    finally:
        pool.shutdown(cancel_futures=True)
    return [outcomes[name] for name in names]


def _by_name(runs: Sequence[Run]) -> dict[str, Run]:
    return {run.name: run for run in runs}


def _attempt(run: Run, work: Callable[[Run], None], outcomes: Mapping[str, Outcome[Run]]) -> Outcome[Run]:
    """`outcomes`: of those it may start from."""
    if failed := [name for name in run.starts if name in outcomes and outcomes[name].problem]:
        return Outcome(run, f"needs {', '.join(failed)}", 0.0)
    began_s = time.monotonic()
    try:
        work(run)
    except (RunFailedError, ServiceError, ValueError, OSError, RuntimeError) as error:
        return Outcome(run, str(error) or type(error).__name__, time.monotonic() - began_s)
    return Outcome(run, None, time.monotonic() - began_s)


def in_a_process(command: Sequence[str], folder: Path, *, jobs: int) -> None:
    """`python -m` with these words, as one of several at a time that share the cores; what it says goes to a log.

    A process that dies of too little memory takes no other run along. Raises RunFailedError with its last words.
    """
    folder.mkdir(parents=True, exist_ok=True)
    threads = max(1, (os.cpu_count() or 1) // jobs)
    with (folder / LOG).open("a", encoding="utf-8") as log:
        environment = {"OMP_NUM_THREADS": str(threads)} | os.environ
        words = [sys.executable, "-m", *command]
        code = subprocess.run(words, stdout=log, stderr=log, env=environment, check=False).returncode
    if code:
        lines = (folder / LOG).read_text(encoding="utf-8").splitlines()
        raise RunFailedError(f"{lines[-1] if lines else 'no word'} (exit code {code}, {folder / LOG})")


class Told:
    """A line on stderr for every run that ends."""

    def __init__(self, total: int, finished: int) -> None:
        self._total = total
        self._finished = finished
        self._here = 0
        self._began_s = time.monotonic()

    def __call__(self, outcome: Outcome[Run]) -> None:
        self._finished, self._here = self._finished + 1, self._here + 1
        left_h = (time.monotonic() - self._began_s) / self._here * (self._total - self._finished) / 3600
        how = f"FAILED: {outcome.problem}" if outcome.problem else f"done in {outcome.took_s / 60:.0f} min"
        told = f"{self._finished}/{self._total} {outcome.run.name} {how}; about {left_h:.1f} h left"
        print(told, file=sys.stderr, flush=True)
