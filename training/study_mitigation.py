"""Which ways of repairing a transcriber help the cohort it serves worst, and what they cost everybody else.

    python -m training.study_mitigation training/configs/adaptation/study.toml --artifact A --cohorts C \\
        --utterances U --units F --out DIR
    python -m training.study_mitigation .. --table

Every method of training/studies/mitigation_arms.py with every seed, on one configuration that says all else, judged by
word errors of whole utterances of test talkers, each alone; where their own errors drew the cohorts, the study says so.
The cohort is --cohort, or the worst on dev talkers; the first start settles it. Methods with a cohort vector are told
each test talker's cohort, an upper bound; with --voices, for cohorts by voice, how near his voice lies to each, as a
live stream is told of a lone talker from the second turn on. Killed, a study goes on where it was when started again:
finished runs are kept, the others have checkpoints; what each says is in DIR/RUN/log.txt. With `--run NAME` one run is
done in this process.
"""

import argparse
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from svc.backends.transcriber_artifact import TranscriberArtifact, load_transcriber
from svc.errors import InvalidRequestError
from training.adapt_transcriber import add_repaired, worst_on_dev
from training.adaptation import Adaptation, fisher_of
from training.adaptation_recipe import EWC, AdaptationRecipe, read_adaptation
from training.command_line import names_among
from training.embed_speakers import Voices, read_voices
from training.fairness.cohorts.cohort import Cohorts, overlap_caution, read_cohorts
from training.report_json import write_text
from training.studies.ablation_conversations import digest_of, settle_data
from training.studies.many_runs import by_arm_and_seed
from training.studies.mitigation_arms import ARMS, BEFORE, Arm, ArmRun, arm_runs
from training.studies.mitigation_run import FISHER, SCORES, bench_at, do, is_done, judged_utterances, read_errors
from training.studies.mitigation_tables import StudyErrors, markdown
from training.studies.study_command import StudyPlan, add_study_options, run_study, words_of
from training.train_transcriber import flush_denormals
from training.transcriber_data import DataPaths, TranscriberData

COHORT = "cohort.txt"


def errors_of(runs: Sequence[ArmRun], out: Path) -> StudyErrors:
    """What is finished."""
    return by_arm_and_seed((run.arm, run.seed, read_errors(out / run.name / SCORES)) for run in runs)


def plan_of(options: argparse.Namespace) -> StudyPlan[ArmRun]:
    artifact, cohorts = load_transcriber(options.artifact), read_cohorts(options.cohorts)
    recipe, name = read_adaptation(options.recipe), settled_cohort(options, artifact, cohorts)
    whole = Adaptation(recipe=recipe, artifact=artifact, cohorts=cohorts, name=name)
    voices = voices_of(options, cohorts)
    heard = digest_of(options.voices)[:8] if voices else ""
    runs = arm_runs(whole, arms_of(options.methods), options.seeds, heard)
    if not options.run:
        judges = {spoken.speaker for spoken in judged_utterances(DataPaths.of(options), domains=domains_of(recipe))}
        warn_of_overlap(cohorts, judges)
        if voices:
            check_voices(voices, judges)
    names = ["artifact", "cohorts", "utterances", "units", "out", "root", "cache", "methods", "seeds"]
    names += ["voices"] if voices else []
    return StudyPlan(
        runs=runs,
        command=["training.study_mitigation", str(options.recipe), *words_of(options, names)],
        do=lambda run: do_alone(run, options, recipe, voices),
        is_done=lambda run: is_done(run, options.out),
        table=lambda: markdown(cohorts, name, errors_of(runs, options.out), by_voice=voices is not None),
        prepare=lambda: prepare(runs, options),
    )


def arms_of(names: Sequence[str]) -> list[Arm]:
    """And the artifact as it is, which all are compared with."""
    return [ARMS[name] for name in dict.fromkeys([BEFORE, *names])]


def domains_of(recipe: AdaptationRecipe) -> Sequence[str]:
    """What test talkers are judged by."""
    return recipe.stage.mixtures.domains


def warn_of_overlap(cohorts: Cohorts, judges: Collection[str]) -> None:
    """On stderr, where those who judge have drawn the cohorts themselves."""
    if caution := overlap_caution(cohorts, judges):
        print(caution, file=sys.stderr)


def voices_of(options: argparse.Namespace, cohorts: Cohorts) -> Voices | None:
    """Raises InvalidRequestError for cohorts that no voice can be put to, or voices of another embedder or unknown."""
    if options.voices is None:
        return None
    if cohorts.centroids is None:
        message = f"cohorts by {cohorts.kind} are not of voices: take those of --by embedding, or leave out --voices"
        raise InvalidRequestError(message, field="voices")
    voices = read_voices(options.voices)
    if not voices.embedder or voices.embedder != cohorts.embedder:
        made = [name or "a file that does not say" for name in (voices.embedder, cohorts.embedder)]
        raise InvalidRequestError(f"voices of embedder {made[0]}, and the cohorts are of {made[1]}", field="voices")
    return voices


def check_voices(voices: Voices, judged: Collection[str]) -> None:
    """Says on stderr how many of those who judge have no voice. Raises InvalidRequestError when none has one."""
    everybody = {*judged}
    missing = everybody - voices.of.keys()
    if missing == everybody:
        message = "--voices knows none of the test talkers: make them with training.embed_speakers --split test"
        raise InvalidRequestError(message, field="voices")
    if missing:
        print(
            f"{len(missing)} of {len(everybody)} test talkers have no voice: nothing is told of them", file=sys.stderr
        )


def do_alone(run: ArmRun, options: argparse.Namespace, recipe: AdaptationRecipe, voices: Voices | None) -> None:
    """On the real data, in a process that does nothing else."""
    flush_denormals()
    do(run, bench_at(options.out, DataPaths.of(options), domains=domains_of(recipe), voices=voices))


def settled_cohort(options: argparse.Namespace, artifact: TranscriberArtifact, cohorts: Cohorts) -> str:
    """Its name, once and for all. Raises InvalidRequestError for one that is not there, or another than before."""
    kept = options.out / COHORT
    before = kept.read_text(encoding="utf-8").strip() if kept.exists() else None
    if before and options.cohort not in (None, before):
        raise InvalidRequestError(f"{options.out} is a study of {before}: give another --out", field="cohort")
    name = before or options.cohort
    if name is None:
        data = TranscriberData.open(DataPaths.of(options), seed=0, workers=0)
        name = worst_on_dev(cohorts, artifact, data)
    cohorts.named(name)
    if not before:
        write_text(kept, f"{name}\n")
    return str(name)


def prepare(runs: Sequence[ArmRun], options: argparse.Namespace) -> None:
    """The Fisher information once for all runs: several at a time would each compute it.

    Raises InvalidRequestError when the folder holds a study of other utterances or units.
    """
    settle_data(DataPaths.of(options), options.out)
    of_ewc = [run for run in runs if run.adaptation.recipe.method.penalty == EWC]
    if of_ewc and not (options.out / FISHER).exists():
        flush_denormals()
        data = TranscriberData.open(DataPaths.of(options), seed=0, workers=0)
        fisher_of(of_ewc[0].adaptation, data, options.out / FISHER)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path, help="a TOML file as those in training/configs/adaptation")
    add_repaired(parser)
    listed = names_among(ARMS, "method")
    parser.add_argument("--methods", type=listed, default=",".join(ARMS), help="by commas, of %(default)s")
    parser.add_argument("--voices", type=Path, help="of training.embed_speakers, to judge cohort vectors as served")
    add_study_options(parser, seeds="0,1,2")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    run_study(parsed, plan_of, arguments)


if __name__ == "__main__":
    main()
