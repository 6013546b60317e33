"""What settings do on dev talkers: one at a time, each value beside the recipe as it stands. No test talker is heard.

    python -m training.study_sweep training/configs/verifier/campplus-head.toml --out DIR --methods pw \\
        --sweep fairness.reweighting.rate=0.005,0.5 --sweep fairness.reweighting.regions.count=4,64
    python -m training.study_sweep .. --table

Errors are those of `training.study_fairness`, but of the dev lists and at a threshold these very talkers chose. Resumed
as that study is.
"""

import argparse
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from svc.typed_config import parse_config
from training.data.manifest import DEV, TEST
from training.embedder_recipe import EmbedderRecipe, read_recipe
from training.recipe_file import read_tables
from training.studies.study_arms import ARMS, Arm, ArmRun, arm_runs
from training.studies.study_command import StudyPlan, add_study_options, run_study
from training.studies.study_figures import CLLR, EER, FEMALE, GAP, GARBE_BY_REGION, MALE, STD, RunFigures, read_figures
from training.studies.study_options import command_of, heard_by_the_service, paths_of, settle_study, study_parser
from training.studies.study_run import FIGURES, Bench, bench_at, do, is_done
from training.studies.study_sides import READ, judged_lists
from training.studies.study_tables import change, change_text, mean_cells
from training.tables import markdown_table

AS_IT_STANDS = "as it stands"
COLUMNS = (EER, MALE, FEMALE, GAP, STD, GARBE_BY_REGION, CLLR)
CHANGED = (EER, GAP, STD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """A recipe with one setting changed, or none; all its runs."""

    title: str
    arm: str
    runs: tuple[ArmRun, ...]


def variations(recipe: Path, sweeps: Sequence[str], methods: Sequence[str], seeds: Sequence[int]) -> list[Variation]:
    """Of every method the recipe as it stands, then each value of each sweep. A value that it has already is no other.

    Raises ValueError for a key or value that no recipe has, and for a key that a method or a seed sets itself.
    """
    recipes = {AS_IT_STANDS: read_recipe(recipe)}
    for sweep in sweeps:
        key, equals, values = sweep.partition("=")
        if not equals or not values:
            raise ValueError(f"--sweep {sweep}: write KEY=VALUE,VALUE,..")
        recipes |= {f"{key} = {value}": varied(recipe, key, value) for value in values.split(",")}
    different = {of.digest: title for title, of in reversed(recipes.items())}
    recipes = {title: of for title, of in recipes.items() if title in different.values()}
    return [variation for arm in methods for variation in _of_arm(ARMS[arm], recipes, seeds)]


def _of_arm(arm: Arm, recipes: Mapping[str, EmbedderRecipe], seeds: Sequence[int]) -> Iterator[Variation]:
    """Raises ValueError for a recipe that the arm makes the same as the one as it stands."""
    runs = {title: tuple(arm_runs(of, [arm], seeds)) for title, of in recipes.items()}
    for title, of_title in runs.items():
        if title != AS_IT_STANDS and of_title == runs[AS_IT_STANDS]:
            raise ValueError(f"--sweep {title}: --methods {arm.name} and --seeds say that themselves")
        yield Variation(title=title, arm=arm.name, runs=of_title)


def varied(recipe: Path, key: str, value: str) -> EmbedderRecipe:
    """The recipe of this file with another value, as TOML has it, of a key such as "fairness.reweighting.rate"."""
    table = read_tables(recipe)
    *parents, name = key.split(".")
    inner: dict[str, Any] = table
    for parent in parents:
        inner = inner.setdefault(parent, {})
    try:
        inner[name] = tomllib.loads(f"value = {value}")["value"]
        return parse_config(EmbedderRecipe, table)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{key} = {value}: {error}") from error


def open_bench(options: argparse.Namespace) -> Bench:
    """The dev lists, to choose a threshold and to judge."""
    with heard_by_the_service() as features:
        dev = judged_lists(DEV, root=options.root, cache=options.cache, features=features)
    return bench_at(options.out, paths_of(options), {DEV: dev, TEST: dev}, replicas=options.replicas)


def figures_of(variation: Variation, out: Path) -> dict[int, RunFigures]:
    """By seed; what is finished."""
    read = {run.seed: read_figures(out / run.name / FIGURES) for run in variation.runs}
    return {seed: figures for seed, figures in read.items() if figures}


def table(chosen: Sequence[Variation], out: Path) -> str:
    """Means over seeds, and changes against the same method with the recipe as it stands."""
    done = {(of.arm, of.title): found for of in chosen if (found := figures_of(of, out))}
    if not done:
        return "no finished run yet"
    header = ("method", "setting", "seeds", *(column.title for column in COLUMNS))
    changes = (f"change of {column.title.removesuffix(' %')}" for column in CHANGED)
    return markdown_table((*header, *changes), [_row(arm, title, done) for arm, title in done])


def _row(arm: str, title: str, done: Mapping[tuple[str, str], Mapping[int, RunFigures]]) -> tuple[str, ...]:
    runs, base = done[arm, title], done.get((arm, AS_IT_STANDS), {})
    means = mean_cells(runs, READ, COLUMNS)
    changes = (change_text(column, change(base, runs, READ, column)) for column in CHANGED)
    if title == AS_IT_STANDS:
        return (ARMS[arm].title, title, str(len(runs)), *means, *("" for _ in CHANGED))
    return (ARMS[arm].title, f"`{title}`", str(len(runs)), *means, *changes)


def plan_of(options: argparse.Namespace) -> StudyPlan[ArmRun]:
    chosen = variations(options.recipe, options.sweep, options.methods, options.seeds)
    own = [word for sweep in options.sweep for word in ("--sweep", sweep)]
    return StudyPlan(
        runs=[run for variation in chosen for run in variation.runs],
        command=[*command_of("training.study_sweep", options), *own],
        do=lambda run: do(run, open_bench(options)),
        is_done=lambda run: is_done(run, options.out),
        table=lambda: table(chosen, options.out),
        prepare=lambda: settle_study(options),
    )


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = study_parser(__doc__, methods=("pw",))
    add_study_options(parser, seeds="0,1")
    parser.add_argument(
        "--sweep", action="append", required=True, metavar="KEY=V,..", help="a setting and its values; once for each"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    run_study(parsed, plan_of, arguments)


if __name__ == "__main__":
    main()
