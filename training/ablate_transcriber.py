"""The paper's claims about the transcriber as ablations: which part of it brings what, on this data.

    python -m training.data.units --utterances U --domains commands --whole-words --out F
    python -m training.ablate_transcriber commands --utterances U --units F --out DIR
    python -m training.ablate_transcriber commands --utterances U --units F --out DIR --table

A study is some forty small trainings, `--jobs` at a time with a core each. Killed, it goes on where it was when started
again: finished runs are kept, the others have checkpoints. A run that fails is named, and the others go on; what each
says is in DIR/RUN/log.txt. With `--run NAME` one run is done in this process, as on another machine.
"""

import argparse
from collections.abc import Sequence

from training.command_line import names_among
from training.studies.ablation_conversations import STUDIES, prepare
from training.studies.ablation_run import do_alone, finished_scores, is_done, judged_with_overlap
from training.studies.ablation_scores import read_scores
from training.studies.ablation_tables import markdown
from training.studies.ablation_variants import VARIANTS, AblationRun, runs_of
from training.studies.study_command import StudyPlan, add_study_options, run_study, words_of
from training.transcriber_data import DataPaths, add_speech
from training.transcriber_recipe import read_recipe


def plan_of(options: argparse.Namespace) -> StudyPlan[AblationRun]:
    study = STUDIES[options.study]
    runs = runs_of(read_recipe(study.recipe), [VARIANTS[name] for name in options.variants], options.seeds)
    paths = DataPaths.of(options)
    names = ("utterances", "units", "out", "root", "cache", "variants", "seeds")
    return StudyPlan(
        runs=runs,
        command=["training.ablate_transcriber", options.study, *words_of(options, names)],
        do=lambda run: do_alone(run, options.out, paths, judged_with_overlap),
        is_done=lambda run: is_done(run, options.out),
        table=lambda: markdown(finished_scores(runs, options.out, read_scores)),
        prepare=lambda: prepare(study, paths, options.out),
    )


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=STUDIES)
    add_speech(parser)
    listed = names_among(VARIANTS, "variant")
    parser.add_argument("--variants", type=listed, default=",".join(VARIANTS), help="by commas, of %(default)s")
    add_study_options(parser, seeds="0,1,2")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    run_study(parsed, plan_of, arguments)


if __name__ == "__main__":
    main()
