"""What every training run does alike: steps that are timed, checkpoints on the way, and the options of its command."""

import argparse
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from training.command_line import add_folders, folder_to_write, from_zero
from training.distributed import World
from training.training_curves import TrainingCurves

Item = TypeVar("Item")
CHECKPOINT_INTERVAL_S = 240.0


def timed(batches: Iterable[Item], work: Callable[[Item], Mapping[str, float]]) -> Iterator[dict[str, float]]:
    """What `work` says of each batch, the seconds both took together, and those spent waiting for the batch."""
    started_s = time.monotonic()
    for batch in batches:
        ready_s = time.monotonic()
        figures = work(batch)
        ended_s = time.monotonic()
        yield {**figures, "step_s": ended_s - started_s, "waited_s": ready_s - started_s}
        started_s = time.monotonic()


def saved(steps: Iterable[Item], save: Callable[[], None], world: World) -> Iterator[Item]:
    """The steps; the first rank saves every few minutes between them, and after the last."""
    saved_s = time.monotonic()
    for step in steps:
        yield step
        if world.is_first and time.monotonic() - saved_s > CHECKPOINT_INTERVAL_S:
            save()
            saved_s = time.monotonic()
    if world.is_first:
        save()


@contextmanager
def first_ranks_curves(
    out: Path, world: World, *, total_steps: int, first_step: int
) -> Iterator[TrainingCurves | None]:
    """Shows the curves of a run, kept in its folder, while it lasts; None on every rank but the first."""
    if not world.is_first:
        yield None
        return
    with TrainingCurves(out / "curves", total_steps=total_steps, first_step=first_step) as curves:
        yield curves


def learning_rate(first: float, last: float, *, done: float, step: int, warmup_steps: int) -> float:
    """Straight from the first rate to the last as `done` goes from 0 to 1; over the first steps it rises from zero."""
    return (first + (last - first) * done) * min(1.0, (step + 1) / max(1, warmup_steps))


def run_parser(description: str | None, *, recipes: str) -> argparse.ArgumentParser:
    """The options every run has. `recipes`: the folder of examples, for the help."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path, help=f"a TOML file as those in {recipes}")
    parser.add_argument("--out", type=folder_to_write, required=True, help="folder of the checkpoint and the curves")
    add_folders(parser)
    workers = max(1, (os.cpu_count() or 1) - 1)
    parser.add_argument("--workers", type=from_zero, default=workers, help="processes that make batches (0 = none)")
    return parser
