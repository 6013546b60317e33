"""Makes the artifact the service loads out of a verifier's training run.

    python -m training.export_embedder RUN --recipe training/configs/verifier/campplus-head.toml --out FOLDER \\
        --data "whose speech" --licence "what it allows"

The card says recipe, commands, data, its licence, and the digest of the report that judged these weights. Serve it with
`models.embedder = "artifact:FOLDER"`, after `python -m training.calibrate --embedder artifact:FOLDER ..`.
"""

import argparse
import hashlib
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from svc.backends.embedder_artifact import save_embedder
from svc.errors import ArtifactError
from training.checkpoint import Checkpoint, existing_checkpoint
from training.command_line import folder_to_write, mistakes_told
from training.embedder_recipe import EmbedderRecipe, read_recipe

# Names in a checkpoint -> names in the artifact.
KEPT = {"embedder.network.": "network.", "weighting.branches.": "branches."}


def export(run: Path, recipe: EmbedderRecipe, *, out: Path, about: dict[str, object]) -> None:
    """Raises ArtifactError when the run has no checkpoint or it is another recipe's."""
    checkpoint = existing_checkpoint(run)
    if checkpoint.recipe != recipe.digest:
        message = (
            f"{run} is a run of recipe {checkpoint.recipe}, this one is {recipe.digest}: give the one it was run with"
        )
        raise ArtifactError(message)
    weights = served_weights(checkpoint)
    branches = sum(name.startswith("branches.branches.") for name in weights)
    shape = replace(recipe.embedder.shape, group_branches=branches)
    card = {"name": f"verifier-{recipe.name}", "recipe": recipe.digest, "steps": checkpoint.step}
    card |= {"method": recipe.fairness.method}
    save_embedder(out, weights, shape, card | about)


def served_weights(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """What a request needs of all that a run keeps: neither the loss's parameters nor the adversary."""
    return {
        new + name.removeprefix(old): value
        for name, value in checkpoint.model.items()
        for old, new in KEPT.items()
        if name.startswith(old)
    }


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the --out of python -m training.train_embedder")
    parser.add_argument("--recipe", type=Path, required=True, help="the TOML file of that run")
    parser.add_argument("--out", type=folder_to_write, required=True, help="folder for the artifact")
    parser.add_argument("--data", required=True, help="whose speech it was trained on, with the licence of each part")
    parser.add_argument("--licence", required=True, help="what may be done with the result")
    parser.add_argument("--report", type=Path, help="the evaluation of these weights; the card names its digest")
    parser.add_argument("--command", action="append", default=[], help="one that led here, for the card; repeatable")
    return parser.parse_args()


def main() -> None:
    chosen = parsed()
    commands = [*chosen.command, shlex.join(["python", "-m", "training.export_embedder", *sys.argv[1:]])]
    about: dict[str, object] = {"data": chosen.data, "licence": chosen.licence, "commands": commands}
    with mistakes_told():
        if chosen.report:
            about["report_sha256"] = hashlib.sha256(chosen.report.read_bytes()).hexdigest()
        export(chosen.run, read_recipe(chosen.recipe), out=chosen.out, about=about)
    print(f'wrote {chosen.out}; serve with it: models.embedder = "artifact:{chosen.out}"')


if __name__ == "__main__":
    main()
