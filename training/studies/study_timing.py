"""What a training step of each method costs over a uniform one."""

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from training.embedder_recipe import EmbedderRecipe
from training.studies.study_arms import ARMS, UNIFORM, ArmRun
from training.studies.study_run import Bench, trainer_of
from training.tables import markdown_table

WARM_UP_STEPS = 5


def time_steps(runs: Sequence[ArmRun], bench: Bench, *, steps: int) -> dict[str, float]:
    """Arm -> mean seconds of processor time of a step with the method at work, ends of epochs along with it.

    One step of each in turn, so that whatever else the machine does meets all alike.
    """
    total = WARM_UP_STEPS + steps
    trained = [run for run in runs if ARMS[run.arm].trained]
    first = min(run.seed for run in trained)
    recipes = {run.arm: at_work(run.recipe, steps=total) for run in trained if run.seed == first}
    taken: dict[str, list[float]] = {arm: [] for arm in recipes}
    with tempfile.TemporaryDirectory() as folder:
        trainers = {arm: trainer_of(recipe, bench, Path(folder)) for arm, recipe in recipes.items()}
        going = {arm: trainer.remaining_steps() for arm, trainer in trainers.items()}
        for _ in range(total):
            for arm, steps_of in going.items():
                taken[arm].append(_took_s(steps_of))
    return {arm: fmean(took[WARM_UP_STEPS:]) for arm, took in taken.items()}


def at_work(recipe: EmbedderRecipe, *, steps: int) -> EmbedderRecipe:
    """Long enough, and without the warm-up in which an adversary only looks on."""
    fairness = recipe.fairness
    reweighting = replace(fairness.reweighting, warmup_steps=0)
    return replace(recipe, steps=steps, fairness=replace(fairness, reweighting=reweighting))


def timing_table(taken_s: Mapping[str, float]) -> str:
    """Markdown: a step of each, and over uniform."""
    base_s = taken_s.get(UNIFORM)
    rows = [
        (ARMS[arm].title, f"{1000 * took_s:.1f}", f"{took_s / base_s:.2f}" if base_s else "-")
        for arm, took_s in taken_s.items()
    ]
    return markdown_table(("method", "ms a step", "over uniform"), rows)


def _took_s(steps: Iterator[Mapping[str, float]]) -> float:
    began_s = time.process_time()
    next(steps)
    return time.process_time() - began_s
