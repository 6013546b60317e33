"""Which ways of training a verifier make it fairer: every method on the same data, judged on the same test talkers.

    python -m training.study_fairness training/configs/verifier/campplus-head.toml --out DIR
    python -m training.study_fairness training/configs/verifier/campplus-head.toml --out DIR --table
    python -m training.study_fairness training/configs/verifier/campplus-head.toml --out DIR --time 300

The configuration says all but the method and the seed. Killed, a study goes on where it was when started again:
finished runs are kept, the others have checkpoints; what each says is in DIR/RUN/log.txt. With `--run NAME` one run is
done in this process. `--time N` takes N steps of every method in turn, and says what each takes over uniform.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from training.command_line import mistakes_told, positive
from training.data.manifest import DEV, TEST
from training.studies.many_runs import by_arm_and_seed
from training.studies.study_arms import ARMS, ArmRun
from training.studies.study_command import StudyPlan, add_study_options, take_given_threads
from training.studies.study_figures import read_figures
from training.studies.study_options import (
    asked_runs,
    command_of,
    heard_by_the_service,
    paths_of,
    settle_study,
    study_parser,
)
from training.studies.study_run import FIGURES, Bench, bench_at, do, is_done
from training.studies.study_sides import judged_lists
from training.studies.study_tables import StudyFigures, markdown
from training.studies.study_timing import time_steps, timing_table


def figures_by_arm(runs: Sequence[ArmRun], out: Path) -> StudyFigures:
    """What is finished."""
    return by_arm_and_seed((run.arm, run.seed, read_figures(out / run.name / FIGURES)) for run in runs)


def open_bench(options: argparse.Namespace) -> Bench:
    """The lists' features are made when they are not there yet."""
    with heard_by_the_service() as features:
        lists = {
            split: judged_lists(split, root=options.root, cache=options.cache, features=features)
            for split in (DEV, TEST)
        }
    return bench_at(options.out, paths_of(options), lists, replicas=options.replicas)


def plan_of(options: argparse.Namespace) -> StudyPlan[ArmRun]:
    runs = asked_runs(options)
    return StudyPlan(
        runs=runs,
        command=command_of("training.study_fairness", options),
        do=lambda run: do(run, open_bench(options)),
        is_done=lambda run: is_done(run, options.out),
        table=lambda: markdown(figures_by_arm(runs, options.out)),
        prepare=lambda: settle_study(options),
    )


def timings(options: argparse.Namespace) -> str:
    take_given_threads()
    return timing_table(time_steps(asked_runs(options), open_bench(options), steps=options.time))


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = study_parser(__doc__, methods=tuple(ARMS))
    only = add_study_options(parser, seeds="0,1,2,3,4")
    only.add_argument("--time", type=positive, metavar="N", help="steps of each method to time, of the first seed")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    with mistakes_told():
        options = parsed(arguments)
        if not options.time:
            sys.exit(plan_of(options).follow(options))
        print(timings(options))


if __name__ == "__main__":
    main()
