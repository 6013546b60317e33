"""What the commands of studies share: their options, and how their runs are done and told of."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, NoReturn

import torch

from svc.errors import InvalidRequestError
from training.command_line import add_folders, folder_to_write, mistakes_told, positive, whole_numbers
from training.studies.many_runs import Run, all_told, in_a_process, run_named


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPlan(Generic[Run]):
    """The runs of a study, and what its command does with them."""

    runs: Sequence[Run]
    # Its command line, but for the run.
    command: Sequence[str]
    do: Callable[[Run], None]
    is_done: Callable[[Run], bool]
    # Of what is finished.
    table: Callable[[], str]
    # Before the first run, and after the last.
    prepare: Callable[[], object] = lambda: None
    finish: Callable[[], None] = lambda: None

    def follow(self, options: argparse.Namespace) -> int:
        """The exit code: 1 when a run failed."""
        if options.table:
            print(self.table())
            return 0
        self.prepare()
        if options.run:
            take_given_threads()
            self.do(self.ready(options.run))
            return 0
        succeeded = all_told(
            self.runs,
            lambda run: self.do_in_a_process(run, options),
            done=self.is_done,
            jobs=options.jobs,
        )
        self.finish()
        print(self.table())
        return int(not succeeded)

    def ready(self, name: str) -> Run:
        """The run of this name. Raises InvalidRequestError when one it starts from is not done."""
        chosen = run_named(self.runs, name)
        if left := [run.name for run in self.runs if run.name in chosen.starts and not self.is_done(run)]:
            raise InvalidRequestError(f"{name} starts from {', '.join(left)}, not done yet: do that first", field="run")
        return chosen

    def do_in_a_process(self, run: Run, options: argparse.Namespace) -> None:
        """Raises RunFailedError."""
        in_a_process([*self.command, "--run", run.name], options.out / run.name, jobs=options.jobs)


def run_study(
    parsed: Callable[[Sequence[str] | None], argparse.Namespace],
    plan_of: Callable[[argparse.Namespace], StudyPlan[Run]],
    arguments: Sequence[str] | None,
) -> NoReturn:
    """The whole of a study's command, to its exit: with 1 when a run failed, with one line for a caller's mistake."""
    with mistakes_told():
        options = parsed(arguments)
        sys.exit(plan_of(options).follow(options))


def take_given_threads() -> None:
    """Those that `in_a_process` gives a run."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))


def add_study_options(parser: argparse.ArgumentParser, *, seeds: str) -> "argparse._MutuallyExclusiveGroup":
    """`seeds` unless others are asked for. Returns what is done in place of the study: one run, or its table."""
    parser.add_argument("--out", type=folder_to_write, required=True, help="folder of all runs")
    parser.add_argument("--seeds", type=whole_numbers, default=seeds, help="by commas (default %(default)s)")
    parser.add_argument(
        "--jobs", type=positive, default=os.cpu_count() or 1, help="runs at a time (default one a core)"
    )
    add_folders(parser)
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--run", help="only this one, in this process")
    only.add_argument("--table", action="store_true", help="train nothing, print what is finished")
    return only


def words_of(options: argparse.Namespace, names: Sequence[str]) -> list[str]:
    """These options as they are given on a command line, but for those that have no value."""
    given = {name: getattr(options, name) for name in names}
    return [
        word
        for name, value in given.items()
        if value is not None
        for word in (f"--{name.replace('_', '-')}", _as_given(value))
    ]


def _as_given(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
