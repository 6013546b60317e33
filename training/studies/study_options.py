"""What the commands of fairness studies share beside study_command: methods, people, and what lists hear."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from svc.application import Application
from svc.config import EquivoxConfig
from training.command_line import names_among, positive
from training.embedder_data import DataPaths
from training.embedder_recipe import read_recipe
from training.studies.ablation_conversations import digest_of
from training.studies.settled import settle
from training.studies.study_arms import ARMS, ArmRun, arm_runs
from training.studies.study_command import words_of
from training.studies.study_sides import Features, service_features

ALIKE = ("out", "methods", "seeds", "root", "cache", "replicas")


def study_parser(description: str | None, *, methods: Sequence[str]) -> argparse.ArgumentParser:
    """`methods` unless others are asked for."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path, help="a TOML file as those in training/configs/verifier")
    listed = names_among(ARMS, "method")
    parser.add_argument("--methods", type=listed, default=",".join(methods), help="by commas (default %(default)s)")
    parser.add_argument("--replicas", type=positive, default=500, help="draws of people (default %(default)s)")
    return parser


def asked_runs(options: argparse.Namespace) -> list[ArmRun]:
    """Every method with every seed."""
    arms = [ARMS[name] for name in options.methods]
    return arm_runs(read_recipe(options.recipe), arms, options.seeds)


def command_of(module: str, options: argparse.Namespace) -> list[str]:
    """The command line, but for the options that are its own."""
    return [module, str(options.recipe), *words_of(options, ALIKE)]


def settled_of(options: argparse.Namespace) -> dict[str, str | int]:
    """Who is learnt from and judged, and how often they are drawn. Raises InvalidRequestError without a manifest."""
    return {"manifest": digest_of(options.root / "manifest.csv"), "replicas": options.replicas}


def settle_study(options: argparse.Namespace) -> None:
    """Raises InvalidRequestError when the folder holds a study of another manifest, or of other draws."""
    settle(options.out / "study.json", settled_of(options))


def paths_of(options: argparse.Namespace) -> DataPaths:
    return DataPaths(root=options.root, cache=options.cache)


@contextmanager
def heard_by_the_service() -> Iterator[Features]:
    """What the service's embedder is given of a recording."""
    with closing(Application(EquivoxConfig())) as application:
        yield service_features(application)
