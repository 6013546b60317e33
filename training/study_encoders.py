"""Recognition encoders trained alike and judged alike: words, operations, time and latency of each.

    python -m training.data.units --utterances U --domains commands --whole-words --out F
    python -m training.study_encoders training/configs/encoder-study-commands.toml \\
        --encoders training/configs/encoders/*-3m.toml --utterances U --units F --out DIR
    python -m training.study_encoders .. --table

Every encoder with every seed, on one recipe, and one that skips work with every strength of `--strengths`; a recipe
says all but those. `--starts standardised,whisper-tiny.en` trains each encoder from each of these weights, `--rates
0.3,1` at each of these multiples of the recipe's learning rates, to tell how much a comparison hangs on them; with
`--recogniser ARTIFACT --units ARTIFACT` all go on from a transcriber that knows its words. Killed, a study goes on
where it was when started again: finished runs are kept, the others have checkpoints; what each says is in
DIR/RUN/log.txt. With `--run NAME` one run is done in this process.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from svc.artifact import read_card
from svc.backends.transcriber_artifact import KIND
from svc.errors import InvalidRequestError
from training.command_line import names_among, positive_numbers
from training.data.conversation_sets import PER_CELL, part_of_cell
from training.data.units import read_units
from training.studies.ablation_conversations import Study, prepare
from training.studies.ablation_run import do_alone, finished_scores, is_done
from training.studies.ablation_variants import AblationRun, Source
from training.studies.encoder_study_runs import contenders, encoder_runs
from training.studies.encoder_study_scores import judged_alone, read_encoder_scores
from training.studies.encoder_study_tables import markdown
from training.studies.study_command import StudyPlan, add_study_options, run_study, words_of
from training.transcriber_data import DataPaths, add_speech
from training.transcriber_recipe import STARTS, read_recipe

STRENGTHS = "0,0.5,1,2,4"
ALONE = "0S"
# Options that say where encoders start, of which one is given.
STARTED_BY = ("starts", "recogniser")


def plan_of(options: argparse.Namespace) -> StudyPlan[AblationRun]:
    strengths = [float(strength) for strength in options.strengths.split(",")]
    trained = trained_of(options)
    chosen = contenders(options.recipe, options.encoders, strengths, options.starts or (), options.rates)
    runs = encoder_runs(chosen, options.seeds, trained=trained)
    paths = DataPaths.of(options)
    names = ["strengths", "rates", "seeds", "utterances", "units", "out", "root", "cache", "per_cell", *STARTED_BY]
    encoders = ["--encoders", *map(str, options.encoders)]
    return StudyPlan(
        runs=runs,
        command=["training.study_encoders", str(options.recipe), *encoders, *words_of(options, names)],
        do=lambda run: do_alone(run, options.out, paths, judged_alone),
        is_done=lambda run: is_done(run, options.out),
        table=lambda: markdown(chosen, finished_scores(runs, options.out, read_encoder_scores)),
        prepare=lambda: prepared(options, paths, trained),
    )


def prepared(options: argparse.Namespace, paths: DataPaths, trained: Source | None) -> None:
    """As training.studies.ablation_conversations.prepare."""
    check_units(paths, trained)
    prepare(study_of(options), paths, options.out)


def trained_of(options: argparse.Namespace) -> Source | None:
    """Raises ArtifactError when there is none in the folder."""
    folder: Path | None = options.recogniser
    if folder is None:
        return None
    card = read_card(folder)
    card.check_kind(KIND, folder)
    return Source(folder=folder, fingerprint=card.digest)


def check_units(paths: DataPaths, trained: Source | None) -> None:
    """Raises InvalidRequestError when the units are not those of the transcriber gone on from."""
    if trained is None or paths.units == trained.folder:
        return
    if read_units(paths.units).units != read_units(trained.folder).units:
        raise InvalidRequestError(f"--units are not those of {trained.folder}: give that folder", field="units")


def study_of(options: argparse.Namespace) -> Study:
    domains = read_recipe(options.recipe).stages[-1].mixtures.domains
    return Study(recipe=options.recipe, domains=domains, per_cell=options.per_cell, dev_per_cell=1, conditions=(ALONE,))


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path, help="training/configs/encoder-study*.toml")
    parser.add_argument("--encoders", type=Path, nargs="+", required=True, help="as in training/configs/encoders")
    parser.add_argument("--strengths", default=STRENGTHS, help="of charging for compute (default %(default)s)")
    parser.add_argument("--rates", type=positive_numbers, default=(1.0,), help="times the recipe's learning rates")
    listed = names_among(STARTS, "start")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--starts", type=listed, help=f"by commas, of {', '.join(STARTS)}; else the recipe's own")
    start.add_argument("--recogniser", type=Path, help="an artifact, all go on from its weights but for its separator")
    add_speech(parser)
    parser.add_argument(
        "--per-cell", type=part_of_cell, default=PER_CELL, help="test conversations a domain (%(default)s)"
    )
    add_study_options(parser, seeds="0,1,2")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    run_study(parsed, plan_of, arguments)


if __name__ == "__main__":
    main()
