"""Which ways of training a verifier make it fairer: every method on the same data, judged on the same test talkers.

    python -m training.study_fairness training/configs/verifier/campplus-head.toml --out DIR
    python -m training.study_fairness training/configs/verifier/campplus-head.toml --out DIR --table
    python -m training.study_fairness training/configs/verifier/campplus-head.toml --out DIR --time 300

The configuration says all but the method and the seed. Killed, a study goes on where it was when started again:
finished runs are kept, the others have checkpoints; what each says is in DIR/RUN/log.txt. With `--run NAME` one run is
done in this process. `--time N` takes N steps of every method in turn, and says what each takes over uniform.
"""

import argparse
import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import torch

from svc.application import build_application
from svc.config import EquivoxConfig, default_cache
from svc.errors import ServiceError
from training.data.manifest import DEV, TEST, data_root
from training.embedder_data import DataPaths
from training.embedder_recipe import read_recipe
from training.many_runs import all_told, in_a_process, run_named
from training.study_arms import ARMS, ArmRun, arm_runs
from training.study_figures import RunFigures, read_figures
from training.study_run import FIGURES, Bench, bench_at, do, is_done
from training.study_sides import judged_lists, service_features
from training.study_tables import StudyFigures, markdown
from training.study_timing import time_steps, timing_table


def figures_by_arm(runs: Sequence[ArmRun], out: Path) -> StudyFigures:
    """What is finished."""
    found: defaultdict[str, dict[int, RunFigures]] = defaultdict(dict)
    for run in runs:
        if figures := read_figures(out / run.name / FIGURES):
            found[run.arm][run.seed] = figures
    return found


def run_in_a_process(run: ArmRun, options: argparse.Namespace) -> None:
    """This command with `--run`."""
    command = ["training.study_fairness", str(options.recipe), "--run", run.name]
    for name in ("out", "methods", "seeds", "root", "cache", "replicas"):
        command += [f"--{name}", str(getattr(options, name))]
    in_a_process(command, options.out / run.name, jobs=options.jobs)


def open_bench(options: argparse.Namespace) -> Bench:
    """The lists' features are made when they are not there yet."""
    application = build_application(EquivoxConfig())
    try:
        features = service_features(application)
        lists = {
            split: judged_lists(split, root=options.root, cache=options.cache, features=features)
            for split in (DEV, TEST)
        }
    finally:
        application.close()
    paths = DataPaths(root=options.root, cache=options.cache)
    return bench_at(options.out, paths, lists, replicas=options.replicas)


def run_study(options: argparse.Namespace) -> int:
    """The exit code: 1 when a run failed."""
    arms = [ARMS[name] for name in options.methods.split(",")]
    runs = arm_runs(read_recipe(options.recipe), arms, [int(seed) for seed in options.seeds.split(",")])
    if options.table:
        print(markdown(figures_by_arm(runs, options.out)))
        return 0
    if options.run or options.time:
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    if options.time:
        print(timing_table(time_steps(runs, open_bench(options), steps=options.time)))
        return 0
    if options.run:
        do(run_named(runs, options.run), open_bench(options))
        return 0
    succeeded = all_told(
        runs,
        lambda run: run_in_a_process(run, options),
        done=lambda run: is_done(run, options.out),
        jobs=options.jobs,
    )
    print(markdown(figures_by_arm(runs, options.out)))
    return int(not succeeded)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path, help="a TOML file as those in training/configs/verifier")
    parser.add_argument("--out", type=Path, required=True, help="folder of all runs")
    parser.add_argument("--methods", default=",".join(ARMS), help="by commas, of %(default)s")
    parser.add_argument("--seeds", default="0,1,2,3,4", help="by commas (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at a time (default one a core)")
    parser.add_argument("--replicas", type=int, default=500, help="draws of people (default %(default)s)")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--run", help="only this one, in this process")
    only.add_argument("--table", action="store_true", help="train nothing, print what is finished")
    only.add_argument("--time", type=int, metavar="N", help="steps of each method to time, of the first seed")
    parser.add_argument("--root", type=Path, default=data_root(), help="folder of manifest.csv (default $EQUIVOX_DATA)")
    parser.add_argument("--cache", type=Path, default=default_cache() / "training", help="decoded speech is kept here")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.methods.split(",")) - ARMS.keys()):
        parser.error(f"no method {', '.join(unknown)}; there are {', '.join(ARMS)}")
    if min(options.jobs, options.replicas) < 1 or not all(seed.isdigit() for seed in options.seeds.split(",")):
        parser.error("--jobs and --replicas must be positive and --seeds whole numbers by commas")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    try:
        sys.exit(run_study(parsed(arguments)))
    except (ServiceError, ValueError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
