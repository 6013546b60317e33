"""The paper's claims about the transcriber as ablations: which part of it brings what, on this data.

    python -m training.data.units --utterances U --domains commands --whole-words --out F
    python -m training.ablate_transcriber commands --utterances U --units F --out DIR
    python -m training.ablate_transcriber commands --utterances U --units F --out DIR --table

A study is some forty small trainings, `--jobs` at a time with a core each. Killed, it goes on where it was when started
again: finished runs are kept, the others have checkpoints. A run that fails is named, and the others go on; what each
says is in DIR/RUN/log.txt. With `--run NAME` one run is done in this process, as on another machine.
"""

import argparse
import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import torch

from training.ablation_conversations import STUDIES, prepare
from training.ablation_run import SCORES, do, is_done, judged_with_overlap, workshop_at
from training.ablation_scores import RunScores, read_scores
from training.ablation_tables import StudyScores, markdown
from training.ablation_variants import VARIANTS, AblationRun, runs_of
from training.command_line import add_folders, mistakes_told
from training.many_runs import all_told, in_a_process, run_named
from training.train_transcriber import flush_denormals
from training.transcriber_data import DataPaths
from training.transcriber_recipe import read_recipe


def run_in_a_process(run: AblationRun, options: argparse.Namespace) -> None:
    """This command with `--run`."""
    command = ["training.ablate_transcriber", options.study, "--run", run.name]
    for name in ("utterances", "units", "out", "root", "cache", "variants", "seeds"):
        command += [f"--{name}", str(getattr(options, name))]
    in_a_process(command, options.out / run.name, jobs=options.jobs)


def scores_of(runs: Sequence[AblationRun], out: Path) -> StudyScores:
    """What is finished."""
    found: defaultdict[str, dict[int, RunScores]] = defaultdict(dict)
    for run in runs:
        if run.variant is not None and (scores := read_scores(out / run.name / SCORES)):
            found[run.variant][run.recipe.seed] = scores
    return found


def run_study(options: argparse.Namespace) -> int:
    """The exit code: 1 when a run failed."""
    study = STUDIES[options.study]
    variants = [VARIANTS[name] for name in options.variants.split(",")]
    runs = runs_of(read_recipe(study.recipe), variants, [int(seed) for seed in options.seeds.split(",")])
    if options.table:
        print(markdown(scores_of(runs, options.out)))
        return 0
    paths = DataPaths(utterances=options.utterances, units=options.units, root=options.root, cache=options.cache)
    prepare(study, paths, options.out)
    if options.run:
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
        run = run_named(runs, options.run)
        flush_denormals()
        do(run, workshop_at(options.out, paths), judged_with_overlap)
        return 0
    succeeded = all_told(
        runs,
        lambda run: run_in_a_process(run, options),
        done=lambda run: is_done(run, options.out),
        jobs=options.jobs,
    )
    print(markdown(scores_of(runs, options.out)))
    return int(not succeeded)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--utterances", type=Path, required=True, help="made by python -m training.data.align")
    parser.add_argument("--units", type=Path, required=True, help="made by python -m training.data.units")
    parser.add_argument("--out", type=Path, required=True, help="folder of all runs")
    parser.add_argument("--variants", default=",".join(VARIANTS), help="by commas, of %(default)s")
    parser.add_argument("--seeds", default="0,1,2", help="by commas (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at a time (default one a core)")
    parser.add_argument("--run", help="only this one, in this process")
    parser.add_argument("--table", action="store_true", help="train nothing, print what is finished")
    add_folders(parser)
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.variants.split(",")) - VARIANTS.keys()):
        parser.error(f"no variant {', '.join(unknown)}; there are {', '.join(VARIANTS)}")
    if options.jobs < 1 or not all(seed.isdigit() for seed in options.seeds.split(",")):
        parser.error("--jobs must be positive and --seeds whole numbers by commas")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    with mistakes_told():
        sys.exit(run_study(parsed(arguments)))


if __name__ == "__main__":
    main()
