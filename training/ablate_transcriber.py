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
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import torch

from svc.config import default_cache
from svc.errors import ServiceError
from training.ablation_conversations import STUDIES, prepare
from training.ablation_run import SCORES, do, is_done, workshop_at
from training.ablation_scores import RunScores, read_scores
from training.ablation_tables import StudyScores, markdown
from training.ablation_variants import VARIANTS, AblationRun, runs_of
from training.data.manifest import data_root
from training.train_transcriber import flush_denormals
from training.transcriber_data import DataPaths
from training.transcriber_recipe import read_recipe

LOG = "log.txt"


class RunFailedError(Exception):
    """A run that ended without its result; says why."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run went: nothing wrong, or what."""

    run: AblationRun
    problem: str | None
    took_s: float


def do_all(
    runs: Sequence[AblationRun],
    work: Callable[[AblationRun], None],
    *,
    done: Callable[[AblationRun], bool],
    jobs: int,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Every run that is not done, after those it starts from; what needs one that failed is not tried."""
    waiting = [run for run in runs if not done(run)]
    futures: dict[str, Future[Outcome]] = {}

    def attempt(run: AblationRun) -> Outcome:
        # Those come before it in the order, so they are under way or over: waiting for them cannot block for ever.
        needed = [futures[name].result() for name in run.starts if name in futures]
        if failed := [start.run.name for start in needed if start.problem]:
            return Outcome(run, f"needs {', '.join(failed)}", 0.0)
        began_s = time.monotonic()
        try:
            work(run)
        except (RunFailedError, ServiceError, ValueError, OSError, RuntimeError) as error:
            return Outcome(run, str(error) or type(error).__name__, time.monotonic() - began_s)
        return Outcome(run, None, time.monotonic() - began_s)

    pool = ThreadPoolExecutor(jobs)
    try:
        for run in waiting:
            futures[run.name] = pool.submit(attempt, run)
        for future in as_completed(futures.values()):
            on_outcome(future.result())
    finally:
        pool.shutdown(cancel_futures=True)
    return [future.result() for future in futures.values()]


def in_a_process(run: AblationRun, options: argparse.Namespace) -> None:
    """Itself with `--run`. A process that dies of too little memory takes no other run along."""
    folder = options.out / run.name
    folder.mkdir(parents=True, exist_ok=True)
    threads = max(1, (os.cpu_count() or 1) // options.jobs)
    command = [sys.executable, "-m", "training.ablate_transcriber", options.study, "--run", run.name]
    for name in ("utterances", "units", "out", "root", "cache", "variants", "seeds"):
        command += [f"--{name}", str(getattr(options, name))]
    with (folder / LOG).open("a", encoding="utf-8") as log:
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        code = subprocess.run(command, stdout=log, stderr=log, env=environment, check=False).returncode
    if code:
        lines = (folder / LOG).read_text(encoding="utf-8").splitlines()
        raise RunFailedError(f"{lines[-1] if lines else 'no word'} (exit code {code}, {folder / LOG})")


def scores_of(runs: Sequence[AblationRun], out: Path) -> StudyScores:
    """What is finished."""
    found: defaultdict[str, dict[int, RunScores]] = defaultdict(dict)
    for run in runs:
        if run.variant is not None and (scores := read_scores(out / run.name / SCORES)):
            found[run.variant][run.recipe.seed] = scores
    return found


class Told:
    """A line on stderr for every run that ends."""

    def __init__(self, total: int, finished: int) -> None:
        self._total = total
        self._finished = finished
        self._here = 0
        self._began_s = time.monotonic()

    def __call__(self, outcome: Outcome) -> None:
        self._finished, self._here = self._finished + 1, self._here + 1
        left_h = (time.monotonic() - self._began_s) / self._here * (self._total - self._finished) / 3600
        how = f"FAILED: {outcome.problem}" if outcome.problem else f"done in {outcome.took_s / 60:.0f} min"
        told = f"{self._finished}/{self._total} {outcome.run.name} {how}; about {left_h:.1f} h left"
        print(told, file=sys.stderr, flush=True)


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
        by_name = {run.name: run for run in runs}
        if options.run not in by_name:
            raise ValueError(f"no run {options.run}; there are {', '.join(by_name)}")
        flush_denormals()
        do(by_name[options.run], workshop_at(options.out, paths))
        return 0
    finished = sum(is_done(run, options.out) for run in runs)
    outcomes = do_all(
        runs,
        lambda run: in_a_process(run, options),
        done=lambda run: is_done(run, options.out),
        jobs=options.jobs,
        on_outcome=Told(len(runs), finished),
    )
    print(markdown(scores_of(runs, options.out)))
    return int(any(outcome.problem for outcome in outcomes))


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
    parser.add_argument("--root", type=Path, default=data_root(), help="folder of manifest.csv (default $EQUIVOX_DATA)")
    parser.add_argument("--cache", type=Path, default=default_cache() / "training", help="decoded speech is kept here")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.variants.split(",")) - VARIANTS.keys()):
        parser.error(f"no variant {', '.join(unknown)}; there are {', '.join(VARIANTS)}")
    if options.jobs < 1 or not all(seed.isdigit() for seed in options.seeds.split(",")):
        parser.error("--jobs must be positive and --seeds whole numbers by commas")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    try:
        sys.exit(run_study(parsed(arguments)))
    except (ServiceError, ValueError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
