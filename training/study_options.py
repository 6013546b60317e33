"""What the commands of a fairness study share: options, processes of single runs, and what lists are heard by."""

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from svc.application import build_application
from svc.config import EquivoxConfig
from training.command_line import add_folders
from training.embedder_data import DataPaths
from training.embedder_recipe import read_recipe
from training.many_runs import in_a_process
from training.study_arms import ARMS, ArmRun, arm_runs
from training.study_sides import Features, service_features

ALIKE = ("out", "methods", "seeds", "root", "cache", "replicas")


def study_parser(description: str | None, *, methods: Sequence[str], seeds: str) -> argparse.ArgumentParser:
    """The options all have; `methods` and `seeds` unless others are asked for."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path, help="a TOML file as those in training/configs/verifier")
    parser.add_argument("--out", type=Path, required=True, help="folder of all runs")
    parser.add_argument("--methods", default=",".join(methods), help="by commas (default %(default)s)")
    parser.add_argument("--seeds", default=seeds, help="by commas (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at a time (default one a core)")
    parser.add_argument("--replicas", type=int, default=500, help="draws of people (default %(default)s)")
    add_folders(parser)
    return parser


def checked(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Ends the program for a method there is not, or a number that is none."""
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.methods.split(",")) - ARMS.keys()):
        parser.error(f"no method {', '.join(unknown)}; there are {', '.join(ARMS)}")
    if min(options.jobs, options.replicas) < 1 or not all(seed.isdigit() for seed in options.seeds.split(",")):
        parser.error("--jobs and --replicas must be positive and --seeds whole numbers by commas")
    return options


def asked_runs(options: argparse.Namespace) -> list[ArmRun]:
    """Every method with every seed."""
    arms = [ARMS[name] for name in options.methods.split(",")]
    return arm_runs(read_recipe(options.recipe), arms, [int(seed) for seed in options.seeds.split(",")])


def paths_of(options: argparse.Namespace) -> DataPaths:
    return DataPaths(root=options.root, cache=options.cache)


def run_in_a_process(command: str, name: str, options: argparse.Namespace, *, own: Sequence[str] = ()) -> None:
    """This run of the same command, with the options that are its own."""
    words = [command, str(options.recipe), "--run", name, *own]
    for option in ALIKE:
        words += [f"--{option}", str(getattr(options, option))]
    in_a_process(words, options.out / name, jobs=options.jobs)


def one_of_several() -> None:
    """In a process of its own a run takes the threads it was given."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))


@contextmanager
def heard_by_the_service() -> Iterator[Features]:
    """What the service's embedder is given of a recording."""
    application = build_application(EquivoxConfig())
    try:
        yield service_features(application)
    finally:
        application.close()
