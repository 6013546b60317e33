"""Five-fold cross-validation over all of `saa`: every talker tested once, by what never heard them.

    python -m training.study_folds training/configs/verifier/campplus-head.toml --out DIR
    python -m training.study_folds training/configs/verifier/campplus-head.toml --out DIR --table

The manifest's test talkers are too few for most countries; here all talkers are judged. A fold trains on the other
folds' talkers but those of the dev split, and on the train talkers of the configuration's other corpora; its threshold
is chosen on dev talkers outside the fold. Trials are within folds. Resumed as `training.study_fairness` is.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.audit_shipped import shipped_rows
from training.command_line import positive
from training.data.folds import Fold, make_folds
from training.data.manifest import DEV, SPLITS, TEST, read_manifest
from training.data.trial_list import Trial, TrialList
from training.studies.settled import check_settled, settle
from training.studies.study_arms import ArmRun
from training.studies.study_command import StudyPlan, add_study_options, run_study
from training.studies.study_figures import ListFigures, RunFigures, write_figures
from training.studies.study_fold_tables import markdown
from training.studies.study_options import (
    asked_runs,
    command_of,
    heard_by_the_service,
    paths_of,
    settled_of,
    study_parser,
)
from training.studies.study_run import FIGURES, SCORES, Bench, bench_at, do, evaluation, is_done
from training.studies.study_sides import CALLS, READ, JudgedList, judged_list, judged_lists, kept_trials
from training.study_fairness import figures_by_arm

METHODS = ("uniform", "pw", "uniform-binary", "pw-binary")
POOLED = "pooled"
SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldRun:
    """One training of an arm without a fold's talkers."""

    fold: Fold
    run: ArmRun
    starts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{folder_of(self.fold)}/{self.run.name}"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FoldLists:
    """`tested`: trials of all folds, each within one. `dev`: by corpus, of all dev talkers."""

    tested: JudgedList
    dev: Mapping[str, JudgedList]

    def of(self, fold: Fold) -> dict[str, dict[str, JudgedList]]:
        """Without a dev talker who is tested."""
        read = self.dev[READ]
        chosen_on = read.select(~touches(read.trials, fold))
        return {
            DEV: {READ: chosen_on, CALLS: self.dev[CALLS]},
            TEST: {READ: self.tested.select(touches(self.tested.trials, fold))},
        }


def folder_of(fold: Fold) -> str:
    return f"fold-{fold.number}"


def touches(trials: TrialList, fold: Fold) -> npt.NDArray[np.bool_]:
    """(T,) whether either person is tested in the fold."""
    inside = np.array([unit in fold.tested for unit in trials.units])
    return np.asarray(inside[trials.enrolment] | inside[trials.test])


def fold_trials(folds: Sequence[Fold], *, root: Path, cache: Path) -> TrialList:
    """The trials of the audit that ships, within each fold."""

    def draw() -> Iterator[Trial]:
        for fold in folds:
            yield from (trial for _, trial in shipped_rows(root, seed=SEED, talkers=fold.tested))

    made_from = [READ, SEED, *(sorted(fold.tested) for fold in folds)]
    return kept_trials(draw, made_from=made_from, root=root, cache=cache)


def open_lists(folds: Sequence[Fold], options: argparse.Namespace) -> FoldLists:
    """The lists' features are made when they are not there yet."""
    trials = fold_trials(folds, root=options.root, cache=options.cache)
    with heard_by_the_service() as features:
        return FoldLists(
            tested=judged_list(READ, trials, splits=SPLITS, root=options.root, cache=options.cache, features=features),
            dev=judged_lists(DEV, root=options.root, cache=options.cache, features=features),
        )


def bench_of(fold: Fold, lists: FoldLists, options: argparse.Namespace) -> Bench:
    out = options.out / folder_of(fold)
    return bench_at(out, paths_of(options), lists.of(fold), replicas=options.replicas, fold=fold)


def pool(run: ArmRun, folds: Sequence[Fold], tested: JudgedList, *, out: Path, replicas: int) -> None:
    """Judges what all folds said together, once; nothing before the last fold is done."""
    path = out / POOLED / run.name / FIGURES
    if path.exists() or not all(is_done(run, out / folder_of(fold)) for fold in folds):
        return
    llrs = np.zeros(len(tested.trials))
    for fold in folds:
        with np.load(out / folder_of(fold) / run.name / SCORES) as kept:
            llrs[touches(tested.trials, fold)] = kept[READ]
    path.parent.mkdir(parents=True, exist_ok=True)
    figures = ListFigures.of(evaluation(tested, llrs, run.recipe, replicas=replicas))
    write_figures(path, RunFigures(steps=run.recipe.steps, lists={READ: figures}))


def tables(runs: Sequence[ArmRun], folds: Sequence[Fold], out: Path) -> str:
    """Of what is finished."""
    by_fold = {fold.number: figures_by_arm(runs, out / folder_of(fold)) for fold in folds}
    return markdown(figures_by_arm(runs, out / POOLED), by_fold)


def plan_of(options: argparse.Namespace) -> StudyPlan[FoldRun]:
    runs = asked_runs(options)
    folds = make_folds(read_manifest(options.root / "manifest.csv"), READ, options.folds, seed=SEED)
    lists = cache(lambda: open_lists(folds, options))
    note = options.out / "folds.json"

    def prepare() -> None:
        settle(note, {"folds": options.folds, **settled_of(options)})
        # Else every run would make them.
        lists()

    def table() -> str:
        check_settled(note, {"folds": options.folds})
        return tables(runs, folds, options.out)

    def pool_all() -> None:
        for run in runs:
            pool(run, folds, lists().tested, out=options.out, replicas=options.replicas)

    return StudyPlan(
        # Run by run, each through all folds: what is done can be pooled at any time.
        runs=[FoldRun(fold=fold, run=run) for run in runs for fold in folds],
        command=[*command_of("training.study_folds", options), "--folds", str(options.folds)],
        do=lambda one: do(one.run, bench_of(one.fold, lists(), options)),
        is_done=lambda one: is_done(one.run, options.out / folder_of(one.fold)),
        table=table,
        prepare=prepare,
        finish=pool_all,
    )


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = study_parser(__doc__, methods=METHODS)
    add_study_options(parser, seeds="0,1,2,3,4")
    parser.add_argument("--folds", type=positive, default=5, help="of all talkers (default %(default)s)")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    run_study(parsed, plan_of, arguments)


if __name__ == "__main__":
    main()
