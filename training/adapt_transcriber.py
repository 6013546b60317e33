"""Repairs a trained transcriber for the cohort it serves worst.

    python -m training.adapt_transcriber training/configs/adaptation/english-ewc.toml --artifact A --cohorts C \\
        --utterances U --units F --out DIR

Fine-tunes the recogniser on the train talkers of a cohort, which --cohort names, or else the artifact's own errors on
dev talkers single out. The configuration says by which method and how strongly (training/adaptation_recipe.py). The run
goes on from its last checkpoint when started again. DIR/artifact is what the service loads, made as by
training.export_transcriber.
"""

import argparse
import shlex
import sys
from pathlib import Path

from svc.backends.transcriber_artifact import TranscriberArtifact, load_transcriber
from training.adaptation import Adaptation, AdaptationTrainer
from training.adaptation_recipe import read_adaptation
from training.command_line import mistakes_told
from training.data.manifest import DEV
from training.distributed import joined_world
from training.export_transcriber import export
from training.fairness.cohorts.cohort import Cohorts, read_cohorts
from training.heard_alone import hear_alone, worst_cohort
from training.tables import progress_over
from training.train_transcriber import flush_denormals
from training.training_run import first_ranks_curves, run_parser
from training.transcriber_data import DataPaths, TranscriberData, add_speech

# Of the card of what is adapted, true of what comes out too.
ORIGIN = ("licence", "data", "limits")
ARTIFACT, FISHER = "artifact", "fisher.pt"


def run(chosen: argparse.Namespace) -> None:
    """Adapts to the end of the recipe, and exports."""
    flush_denormals()
    recipe, artifact = read_adaptation(chosen.recipe), load_transcriber(chosen.artifact)
    paths = DataPaths.of(chosen)
    with joined_world() as world:
        data = TranscriberData.open(paths, seed=recipe.seed, workers=chosen.workers)
        cohorts = read_cohorts(chosen.cohorts)
        name = chosen.cohort or worst_on_dev(cohorts, artifact, data)
        adaptation = Adaptation(recipe=recipe, artifact=artifact, cohorts=cohorts, name=name)
        fisher = chosen.fisher or chosen.out / FISHER
        trainer = AdaptationTrainer(adaptation, data, out=chosen.out, fisher=fisher, world=world)
        trainer.begin()
        with first_ranks_curves(chosen.out, world, total_steps=recipe.stage.steps, first_step=trainer.step) as curves:
            trainer.run(curves)
        if world.is_first:
            commands = [*artifact.card.get("commands", ()), command_line()]
            origin = {name: artifact.card[name] for name in ORIGIN if name in artifact.card}
            export(
                chosen.out,
                trainer.recipe,
                data.units,
                digest=trainer.digest,
                out=chosen.out / ARTIFACT,
                commands=commands,
                origin=origin,
            )


def worst_on_dev(cohorts: Cohorts, artifact: TranscriberArtifact, data: TranscriberData) -> str:
    """The name of the cohort of which the artifact gets most words wrong. Raises ValueError without enough dev talkers.

    Says so on stderr.
    """
    spoken = data.utterances[DEV]
    with progress_over(len(spoken), "dev talkers") as tick:
        errors = hear_alone(
            artifact.model, spoken, data.sounds, data.units, turn_tokens=artifact.turn_tokens, tick=tick
        )
    name = worst_cohort(cohorts, errors)
    print(f"worst on dev talkers: {name}", file=sys.stderr)
    return name


def command_line() -> str:
    return shlex.join(["python", "-m", "training.adapt_transcriber", *sys.argv[1:]])


def add_repaired(parser: argparse.ArgumentParser) -> None:
    """What is repaired, for whom, and on whose speech."""
    parser.add_argument("--artifact", type=Path, required=True, help="the transcriber to repair")
    parser.add_argument("--cohorts", type=Path, required=True, help="as training/fairness/cohorts writes it")
    parser.add_argument("--cohort", help="of that file (default the one with most errors on dev talkers)")
    add_speech(parser, units="the units of the artifact's training")


def parsed() -> argparse.Namespace:
    parser = run_parser(__doc__, recipes="training/configs/adaptation")
    add_repaired(parser)
    parser.add_argument("--fisher", type=Path, help="keep the Fisher information here (default OUT/fisher.pt)")
    return parser.parse_args()


def main() -> None:
    with mistakes_told():
        run(parsed())


if __name__ == "__main__":
    main()
