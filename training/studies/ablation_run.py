"""One run of the ablation study from its start to its scores, resumable: training, then judging."""

import fcntl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from svc.errors import ArtifactError
from training.checkpoint import checkpoint_of
from training.data.conversation_sets import Conversation
from training.data.manifest import DEV, TEST
from training.data.rendering import Sounds
from training.distributed import World
from training.report_json import write_json
from training.studies.ablation_conversations import kept, sounds_of
from training.studies.ablation_scores import RunScores, hear, judge
from training.studies.ablation_variants import AblationRun
from training.studies.many_runs import by_arm_and_seed
from training.train_transcriber import TranscriberTrainer, flush_denormals
from training.training_curves import TrainingCurves
from training.transcriber_data import DataPaths, TranscriberData
from training.transcriber_recipe import TranscriberRecipe

SCORES = "scores.json"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Judging:
    """The conversations of a split and their sounds."""

    conversations: list[Conversation]
    sounds: Sounds


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Workshop:
    """Where runs are kept, what they learn from, and the conversations of `dev` and `test` that judge them."""

    out: Path
    data_of: Callable[[TranscriberRecipe], TranscriberData]
    judging_of: Callable[[str], Judging]


Scores = TypeVar("Scores")
# What a finished run scores, to be kept as JSON.
Judge: TypeAlias = Callable[[AblationRun, TranscriberTrainer, Workshop], Mapping[str, Any]]


def workshop_at(out: Path, paths: DataPaths) -> Workshop:
    """On the real data; mixtures are made in the process itself, which has one core."""
    return Workshop(
        out=out,
        data_of=lambda recipe: TranscriberData.open(paths, seed=recipe.seed, workers=0, turn_tokens=recipe.turn_tokens),
        judging_of=lambda split: Judging(conversations=kept(out, split), sounds=sounds_of(paths, split)),
    )


def is_done(run: AblationRun, out: Path) -> bool:
    """Trained to its end, and judged if it is a variant. With a broken checkpoint it is not: the run itself says so."""
    folder = out / run.name
    if run.variant is not None:
        return (folder / SCORES).exists()
    try:
        checkpoint = checkpoint_of(folder, run.recipe.digest)
    except ArtifactError:
        return False
    return checkpoint is not None and checkpoint.step == run.recipe.num_steps


def do(run: AblationRun, shop: Workshop, judged: Judge) -> None:
    """Trains the rest of the run and judges it. Raises ArtifactError when another process is at it."""
    folder = shop.out / run.name
    with alone_in(folder):
        data = shop.data_of(run.recipe)
        trainer = TranscriberTrainer(run.recipe, data, out=folder, world=World())
        trainer.start(**run.folders(shop.out))
        with TrainingCurves(folder / "curves", total_steps=run.recipe.num_steps, first_step=trainer.step) as curves:
            trainer.run(curves)
        if run.variant is not None and not (folder / SCORES).exists():
            write_json(folder / SCORES, judged(run, trainer, shop))


def do_alone(run: AblationRun, out: Path, paths: DataPaths, judged: Judge) -> None:
    """As `do`, on the real data, in a process that does nothing else."""
    flush_denormals()
    do(run, workshop_at(out, paths), judged)


def finished_scores(
    runs: Sequence[AblationRun], out: Path, read: Callable[[Path], Scores | None]
) -> dict[str, dict[int, Scores]]:
    """By variant and seed; `read` gives None where there are none."""
    return by_arm_and_seed(
        (run.variant, run.recipe.seed, read(out / run.name / SCORES)) for run in runs if run.variant is not None
    )


def judged_with_overlap(run: AblationRun, trainer: TranscriberTrainer, shop: Workshop) -> Mapping[str, Any]:
    """RunScores of the averaged weights on all conversations."""
    model, units = trainer.averaged_model(), trainer.data.runtime_units
    dev, test = shop.judging_of(DEV), shop.judging_of(TEST)
    turn_tokens = run.recipe.turn_tokens
    heard = partial(hear, model, turn_tokens=turn_tokens)
    pause_s, conversations = judge(
        units,
        dev=(heard(conversation, dev.sounds) for conversation in dev.conversations),
        test=((found.uri, heard(found, test.sounds)) for found in test.conversations),
        turn_tokens=turn_tokens,
    )
    return asdict(RunScores(steps=trainer.step, pause_s=pause_s, conversations=conversations))


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """A study that was killed may have left a process behind that goes on with a run."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ArtifactError(f"another process is training {folder}: wait for it or end it") from None
        yield
