"""The options of `python -m training.calibrate`, and which of them exclude each other."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from training.calibration_fit import FitSettings
from training.command_line import add_root, check_file, check_folder, from_zero, positive
from training.fairness.groups import Pairs

FOLDS = 5
# Options of one of the two alone.
OF_FIT = ("embedder", "name", "cohort", "no_cohort", "test", "folds", "penalty")
OF_POLICY = ("scores", "people", "by", "pairs", "replicas", "calibration_id")


def parsed(description: str | None) -> argparse.Namespace:
    """Ends the program for options that contradict each other."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    _add_fit_options(parser)
    _add_policy_options(parser.add_argument_group("a threshold instead of a fit"))
    chosen = parser.parse_args()
    if mistake := next(_contradictions(chosen, parser), None):
        parser.error(mistake)
    if chosen.out:
        try:
            (check_file if chosen.policy else check_folder)(chosen.out)
        except OSError as error:
            parser.error(f"--out: {error}")
    return chosen


def _add_fit_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trials", type=Path, help="CSV of your own trials, instead of the shipped recipe")
    parser.add_argument("--audio-root", type=Path, help="folder the paths in --trials are relative to")
    parser.add_argument(
        "--embedder", help="as models.embedder names one, such as artifact:FOLDER (default: as configured)"
    )
    parser.add_argument("--config", type=Path, help="the server's TOML configuration")
    parser.add_argument(
        "--out", type=Path, help="folder for the artifact, or the policy's file; else nothing is written"
    )
    parser.add_argument("--name", default="", help="of the calibration (default calibration-EMBEDDER)")
    cohort = parser.add_mutually_exclusive_group()
    cohort.add_argument("--cohort", type=Path, help="folder of clips of strangers, each subfolder one person")
    cohort.add_argument("--no-cohort", action="store_true", help="do not normalise scores")
    parser.add_argument("--test", action="store_true", help="also measure on the test sets of the shipped data")
    parser.add_argument("--seed", type=from_zero, default=0, help="of the trials and the folds")
    parser.add_argument("--folds", type=positive, default=FOLDS)
    parser.add_argument("--penalty", type=float, default=FitSettings().penalty, help=FitSettings.__doc__)
    add_root(parser)
    parser.add_argument("--voices", type=Path, default=Path("out/voices"), help="cache of voiceprints")


def _add_policy_options(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--policy", type=Path, metavar="REQUEST", help="TOML: name, costs, prior, limits")
    group.add_argument("--scores", type=Path, help="LLRs in place of audio, as `equivox evaluate` takes them")
    group.add_argument("--people", type=Path, help="CSV: speaker, sex, country, ..")
    group.add_argument("--by", action="append", default=[], help="a column of --people, or sex+country; once for each")
    group.add_argument("--pairs", type=Pairs, choices=list(Pairs), default=Pairs.WITHIN, help="a group's strangers")
    group.add_argument("--replicas", type=from_zero, default=0, help="bootstrap draws; 0 = 1000, fewer on vast lists")
    group.add_argument("--calibration-id", default="", help="of the --scores: what report.json calls calibration_id")


def _contradictions(chosen: argparse.Namespace, parser: argparse.ArgumentParser) -> Iterator[str]:
    def given(names: Sequence[str]) -> str:
        changed = [name for name in names if getattr(chosen, name) != parser.get_default(name)]
        return ", ".join(f"--{name.replace('_', '-')}" for name in changed)

    if not chosen.policy and (only := given(OF_POLICY)):
        yield f"only with --policy: {only}"
    if chosen.policy and (only := given(OF_FIT)):
        yield f"--policy takes the service as it is configured; of a fit alone: {only}"
    if chosen.policy and chosen.calibration_id and not chosen.scores:
        yield "--calibration-id is of --scores: what listens to audio knows its own"
    if chosen.scores and given(["voices"]):
        yield "--voices keeps what is heard, and with --scores nothing is"
    if not chosen.scores and (chosen.trials is None) != (chosen.audio_root is None):
        yield "--trials and --audio-root belong together"
    if chosen.folds < 2 or not chosen.penalty >= 0:
        yield f"need --folds >= 2 and --penalty >= 0, got {chosen.folds} and {chosen.penalty}"
