"""Recognition encoders trained alike and judged alike: words, operations, time and latency of each.

    python -m training.data.units --utterances U --domains commands --whole-words --out F
    python -m training.study_encoders training/configs/encoder-study-commands.toml \\
        --encoders training/configs/encoders/*-3m.toml --utterances U --units F --out DIR
    python -m training.study_encoders .. --table

Every encoder with every seed, on one recipe, and one that skips work with every strength of `--strengths`; a recipe
says all but those. Killed, a study goes on where it was when started again: finished runs are kept, the others have
checkpoints; what each says is in DIR/RUN/log.txt. With `--run NAME` one run is done in this process.
"""

import argparse
import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import torch

from training.ablation_conversations import Study, prepare
from training.ablation_run import SCORES, do, is_done, workshop_at
from training.ablation_variants import AblationRun
from training.command_line import add_folders, mistakes_told
from training.encoder_study_runs import contenders, encoder_runs
from training.encoder_study_scores import EncoderScores, judged_alone, read_encoder_scores
from training.encoder_study_tables import StudyScores, markdown
from training.many_runs import all_told, in_a_process, run_named
from training.train_transcriber import flush_denormals
from training.transcriber_data import DataPaths
from training.transcriber_recipe import read_recipe

STRENGTHS = "0,0.5,1,2,4"
ALONE = "0S"


def run_in_a_process(run: AblationRun, options: argparse.Namespace) -> None:
    """This command with `--run`."""
    command = ["training.study_encoders", str(options.recipe), "--run", run.name]
    command += ["--encoders", *map(str, options.encoders)]
    for name in ("strengths", "seeds", "utterances", "units", "out", "root", "cache", "per_cell"):
        command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    in_a_process(command, options.out / run.name, jobs=options.jobs)


def scores_of(runs: Sequence[AblationRun], out: Path) -> StudyScores:
    """What is finished."""
    found: defaultdict[str, dict[int, EncoderScores]] = defaultdict(dict)
    for run in runs:
        if run.variant is not None and (scores := read_encoder_scores(out / run.name / SCORES)):
            found[run.variant][run.recipe.seed] = scores
    return found


def run_study(options: argparse.Namespace) -> int:
    """The exit code: 1 when a run failed."""
    strengths = [float(strength) for strength in options.strengths.split(",")]
    chosen = contenders(options.recipe, options.encoders, strengths)
    runs = encoder_runs(chosen, [int(seed) for seed in options.seeds.split(",")])
    if options.table:
        print(markdown(chosen, scores_of(runs, options.out)))
        return 0
    paths = DataPaths(utterances=options.utterances, units=options.units, root=options.root, cache=options.cache)
    domains = read_recipe(options.recipe).stages[-1].mixtures.domains
    study = Study(
        recipe=options.recipe, domains=domains, per_cell=options.per_cell, dev_per_cell=1, conditions=(ALONE,)
    )
    prepare(study, paths, options.out)
    if options.run:
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
        flush_denormals()
        do(run_named(runs, options.run), workshop_at(options.out, paths), judged_alone)
        return 0
    succeeded = all_told(
        runs,
        lambda run: run_in_a_process(run, options),
        done=lambda run: is_done(run, options.out),
        jobs=options.jobs,
    )
    print(markdown(chosen, scores_of(runs, options.out)))
    return int(not succeeded)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path, help="training/configs/encoder-study*.toml")
    parser.add_argument("--encoders", type=Path, nargs="+", required=True, help="as in training/configs/encoders")
    parser.add_argument("--strengths", default=STRENGTHS, help="of charging for compute (default %(default)s)")
    parser.add_argument("--seeds", default="0,1,2", help="by commas (default %(default)s)")
    parser.add_argument("--utterances", type=Path, required=True, help="made by python -m training.data.align")
    parser.add_argument("--units", type=Path, required=True, help="made by python -m training.data.units")
    parser.add_argument("--out", type=Path, required=True, help="folder of all runs")
    parser.add_argument("--per-cell", type=int, default=20, help="test conversations a domain (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at a time (default one a core)")
    parser.add_argument("--run", help="only this one, in this process")
    parser.add_argument("--table", action="store_true", help="train nothing, print what is finished")
    add_folders(parser)
    options = parser.parse_args(arguments)
    if min(options.jobs, options.per_cell) < 1 or not all(seed.isdigit() for seed in options.seeds.split(",")):
        parser.error("--jobs and --per-cell must be positive and --seeds whole numbers by commas")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    with mistakes_told():
        sys.exit(run_study(parsed(arguments)))


if __name__ == "__main__":
    main()
