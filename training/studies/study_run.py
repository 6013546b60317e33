"""One run of a fairness study, resumable: training, LLRs of the judged trials, and figures by group.

The threshold is one for everybody and chosen on dev talkers: scores are made LLRs by one slope and one offset, fitted
on the dev lists of both corpora, and accepted from LLR 0. Letters: S sides, T trials, D embedding width, W statistics.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from svc.backends.store import ModelStore
from svc.config import default_cache
from svc.scoring.calibration import CalibrationWeights
from svc.scoring.conditions import Conditions, SideConditions
from svc.types import FloatArray
from svc.whole_file import replacing
from training.calibration_fit import CalibrationTrials, FitSettings, fit, join, pair_shares
from training.data.cached_array import cached_array
from training.data.folds import Fold
from training.data.manifest import DEV, TEST
from training.distributed import World
from training.embedder_data import DataPaths, EmbedderData, open_data
from training.embedder_recipe import EmbedderRecipe
from training.evaluate import Evaluation, Identity, Settings, Threshold, judge
from training.metrics.verification import Array
from training.studies.ablation_run import alone_in
from training.studies.study_arms import ARMS, ArmRun
from training.studies.study_figures import ListFigures, RunFigures, write_figures
from training.studies.study_sides import JudgedList
from training.train_embedder import EmbedderTrainer
from training.trained_embedder import TrainedEmbedder, make_embedder
from training.training_run import saved

BoolArray = npt.NDArray[np.bool_]
FIGURES, SCORES = "figures.npz", "scores.npz"
THRESHOLD = Threshold(value=0.0, source="LLR 0, calibrated on dev talkers")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Bench:
    """Where runs are kept, what they learn from, and the lists that judge them by split and corpus."""

    out: Path
    cache: Path
    lists: Mapping[str, Mapping[str, JudgedList]]
    start: Callable[[EmbedderRecipe], TrainedEmbedder]
    data_of: Callable[[EmbedderRecipe, TrainedEmbedder], EmbedderData]
    # Draws of people; the same ones for all runs, so that runs can be paired.
    replicas: int = 500


def bench_at(
    out: Path,
    paths: DataPaths,
    lists: Mapping[str, Mapping[str, JudgedList]],
    *,
    replicas: int,
    fold: Fold | None = None,
) -> Bench:
    """On the real data; of a `fold`, without the talkers it tests."""
    return Bench(
        out=out,
        cache=paths.cache,
        lists=lists,
        start=lambda recipe: make_embedder(recipe.embedder, ModelStore(default_cache())),
        data_of=lambda recipe, embedder: open_data(recipe, paths, embedder, fold=fold),
        replicas=replicas,
    )


def is_done(run: ArmRun, out: Path) -> bool:
    """Trained to its end and judged."""
    return (out / run.name / FIGURES).exists()


def do(run: ArmRun, bench: Bench) -> None:
    """Trains the rest of the run and judges it. Raises ArtifactError when another process is at it."""
    folder = bench.out / run.name
    with alone_in(folder):
        trainer = trainer_of(run.recipe, bench, folder)
        trainer.start()
        for _ in saved(trainer.remaining_steps(), trainer.save, trainer.world) if ARMS[run.arm].trained else ():
            pass
        if not is_done(run, bench.out):
            write_figures(folder / FIGURES, figures_of(trainer, bench, folder))


def trainer_of(recipe: EmbedderRecipe, bench: Bench, folder: Path) -> EmbedderTrainer:
    """As `python -m training.train_embedder` makes it."""
    torch.manual_seed(recipe.seed)
    embedder = bench.start(recipe)
    return EmbedderTrainer(recipe, bench.data_of(recipe, embedder), embedder, out=folder, world=World())


def figures_of(trainer: EmbedderTrainer, bench: Bench, folder: Path) -> RunFigures:
    """LLRs of the test lists, 0 where a side was not heard, which are kept beside, and all figures of them."""
    dev = bench.lists[DEV].values()
    calibration = calibrated([(scored(trainer, listed, bench.cache), heard(listed)) for listed in dev])
    lists: dict[str, ListFigures] = {}
    kept: dict[str, Any] = {}
    for corpus, listed in bench.lists[TEST].items():
        trials = scored(trainer, listed, bench.cache)
        llrs = np.where(heard(listed), calibration.llr_under(trials.scores, trials.conditions), 0.0)
        kept[corpus] = llrs.astype(np.float32)
        lists[corpus] = ListFigures.of(evaluation(listed, llrs, trainer.recipe, replicas=bench.replicas))
    with replacing(folder / SCORES) as beside, beside.open("wb") as file:
        np.savez(file, **kept)
    return RunFigures(steps=trainer.step, lists=lists)


def evaluation(listed: JudgedList, llrs: Array, recipe: EmbedderRecipe, *, replicas: int) -> Evaluation:
    """Intervals of people alone (one level): a draw is then the same for every run, whatever its scores.

    Trials with a side that was not heard are refused, as by the service.
    """
    settings = Settings(replicas=replicas, levels=1, threshold=THRESHOLD)
    system = Identity(name=recipe.name, calibrated=True)
    trials = replace(listed.trials, groups={})
    return judge(trials, llrs, system, settings=settings, attributes=listed.attributes, refused=~heard(listed))


def scored(trainer: EmbedderTrainer, listed: JudgedList, cache: Path) -> CalibrationTrials:
    """Cosines of all trials of a list. Conditions are all alike: one slope and one offset for everybody."""
    unit = embeddings(trainer, listed, cache).astype(np.float64)
    trials, people = listed.trials, listed.trials.unit_of_side
    enrolment, test = people[trials.enrolment], people[trials.test]
    count = len(trials)
    alike = SideConditions(net_speech_s=np.ones(count), snr_db=np.zeros(count), telephone=np.zeros(count, bool))
    return CalibrationTrials(
        scores=np.einsum("td,td->t", unit[trials.enrolment], unit[trials.test]),
        conditions=Conditions(alike, alike),
        target=trials.target,
        weights=pair_shares(enrolment, test, trials.target),
        enrolment_unit=enrolment,
        test_unit=test,
    )


def calibrated(lists: Sequence[tuple[CalibrationTrials, BoolArray]]) -> CalibrationWeights:
    """On trials whose two sides were heard (T,), each list weighing alike."""
    return fit(join([trials.select(heard) for trials, heard in lists]), FitSettings(cohort=False))


def heard(listed: JudgedList) -> BoolArray:
    """(T,) whether there is enough speech on both sides."""
    sides = listed.sides.heard
    return np.asarray(sides[listed.trials.enrolment] & sides[listed.trials.test])


@torch.no_grad()
def embeddings(trainer: EmbedderTrainer, listed: JudgedList, cache: Path) -> FloatArray:
    """(S, D) unit length; zeros for sides without speech."""
    trainer.embedder.eval()
    if trainer.recipe.embedder.trains == "head":
        voices = trainer.embedded(torch.from_numpy(np.array(pooled(trainer.embedder, listed, cache))))
    else:
        sides = zip(listed.sides, listed.asked_for, strict=True)
        voices = _each(trainer.embedded, (frames if asked else frames[:0] for frames, asked in sides))
    trainer.embedder.train()
    unit = F.normalize(voices, dim=-1).cpu().numpy()
    return np.asarray(np.where(listed.sides.heard[:, None], unit, 0.0), np.float32)


def pooled(embedder: TrainedEmbedder, listed: JudgedList, cache: Path) -> FloatArray:
    """(S, W), computed once for all runs: the projection is all they differ in."""
    made_from = [trunk_digest(embedder), listed.digest]
    return cached_array(cache, "side-pooled", made_from, lambda: _each(embedder.pooled, listed.sides).cpu().numpy())


def trunk_digest(embedder: TrainedEmbedder) -> str:
    """Names the weights that are the same in all runs: those before the projection."""
    return embedder.digest(without=("xvector.dense.",))[:16]


def _each(network: Callable[[Tensor], Tensor], sides: Iterable[FloatArray]) -> Tensor:
    """(1, T, F) -> (1, X), side by side -> (S, X); zeros for a side without frames."""
    given = [network(torch.from_numpy(frames)[None]) if len(frames) else None for frames in sides]
    blank = torch.zeros_like(next(row for row in given if row is not None))
    return torch.cat([blank if row is None else row for row in given])
