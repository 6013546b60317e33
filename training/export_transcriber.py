"""Makes the artifact the service loads out of a training run.

    python -m training.export_transcriber RUN --recipe training/configs/english-turns.toml --units F --out FOLDER

The averaged weights go in, in float16, with the vocabulary and a card: recipe, commands, data and its licence.
Serve it with `transcription.artifact = "FOLDER"`.
"""

import argparse
import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from svc.backends.transcriber_artifact import save_transcriber
from svc.errors import ArtifactError
from svc.models.transcriber import Transcriber
from training.checkpoint import Checkpoint, existing_checkpoint
from training.command_line import folder_to_write, mistakes_told
from training.data.units import SCORES, UnitEncoder, read_units
from training.start_transcriber import take_parts
from training.transcriber_card import data_of, licence_of, limits_of
from training.transcriber_recipe import TranscriberRecipe, read_recipe
from training.transcription_results import read_figures


def export(
    run: Path,
    recipe: TranscriberRecipe,
    units: UnitEncoder,
    *,
    digest: str,
    out: Path,
    commands: list[str],
    separator: Path | None = None,
    report: Path | None = None,
    synthesised: Path | None = None,
    origin: Mapping[str, object] | None = None,
) -> None:
    """`digest`: of the recipe as the run had it. `separator`: another run, or an artifact, to take the separator of.
    `report` is what training.benchmark_transcription measured of these weights; its figures go into the card.
    `synthesised`: a folder of training.data.synthesise that was trained on besides. `origin`: what the card says of
    licence, data and limits, if not what the recipe tells of them.

    Raises ArtifactError when a run has no checkpoint, is of another recipe, or spells words with other units.
    """
    checkpoint = existing_checkpoint(run)
    model = Transcriber(replace(recipe.model, num_tokens=len(units.units)))
    take_parts(model, separator=separator or run, recogniser=run, units=units.units)
    if checkpoint.recipe != digest:
        message = f"{run} is a run of recipe {checkpoint.recipe}, this one is {digest}: give the one it was run with"
        raise ArtifactError(message)
    told = {
        "licence": licence_of(recipe),
        "data": data_of(recipe, synthesised),
        "limits": limits_of(recipe, separator=separator),
        SCORES: list(units.scores),
    } | dict(origin or {})
    figures = read_figures(report) if report else {}
    about = about_of(recipe, checkpoint, commands) | told | figures
    save_transcriber(out, model, units.units, about, turn_tokens=recipe.turn_tokens)


def about_of(recipe: TranscriberRecipe, checkpoint: Checkpoint, commands: list[str]) -> dict[str, object]:
    """The card, but for where its weights come from and what the artifact itself adds."""
    return {
        "name": f"transcriber-{recipe.name}",
        "recipe": checkpoint.recipe,
        "steps": checkpoint.step,
        "commands": commands,
    }


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the --out of python -m training.train_transcriber")
    parser.add_argument("--recipe", type=Path, required=True, help="the TOML file of that run")
    parser.add_argument("--encoder", type=Path, help="the --encoder of that run, if it had one")
    parser.add_argument("--separator", type=Path, help="take the separator of this other run or artifact")
    parser.add_argument(
        "--second-voice-share", type=float, default=0.0, help="the separator's, see svc/models/separator.py (default 0)"
    )
    parser.add_argument("--synthesised", type=Path, help="the --synthesised of that run, if it had one")
    parser.add_argument("--units", type=Path, required=True, help="the units of that run")
    parser.add_argument("--out", type=folder_to_write, required=True, help="folder for the artifact")
    parser.add_argument("--report", type=Path, help="report.json of training.benchmark_transcription, for the card")
    parser.add_argument("--command", action="append", default=[], help="one that led here, for the card; repeatable")
    return parser.parse_args()


def main() -> None:
    chosen = parsed()
    with mistakes_told():
        commands = [*chosen.command, shlex.join(["python", "-m", "training.export_transcriber", *sys.argv[1:]])]
        recipe, units = read_recipe(chosen.recipe, encoder=chosen.encoder), read_units(chosen.units)
        gated = replace(recipe.model.separator, second_voice_share=chosen.second_voice_share)
        export(
            chosen.run,
            replace(recipe, model=replace(recipe.model, separator=gated)),
            units,
            digest=recipe.digest,
            out=chosen.out,
            commands=commands,
            separator=chosen.separator,
            report=chosen.report,
            synthesised=chosen.synthesised,
        )
    print(f'wrote {chosen.out}; serve with it: transcription.artifact = "{chosen.out}"')


if __name__ == "__main__":
    main()
