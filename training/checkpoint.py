"""A training run on disk: everything needed to go on to the bit, written beside and renamed."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from svc.errors import ArtifactError
from svc.whole_file import replacing

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Made = TypeVar("Made")
CHECKPOINT = "checkpoint.pt"
# Keys that came after runs were made, at the value that changes nothing: left out of digests, so that those runs can
# still be gone on with.
NEUTRAL = {
    "cohort_width": 0,
    "voice_width": 192,
    "voice_embedder": "",
    "cohort_vector": False,
    "cohort_rate": 100.0,
    "unknown_share": 0.2,
}


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Checkpoint:
    """State after `step` optimiser steps. `recipe` names the configuration it belongs to, `units` what it spells words
    with, `started_from` the weights it began with: empty for a verifier, and in checkpoints older than that.
    """

    step: int
    recipe: str
    model: dict[str, Tensor]
    averaged: dict[str, Tensor]
    optimizer: dict[str, Any]
    random_state: Tensor
    units: str = ""
    started_from: str = ""


def recipe_digest(recipe: "DataclassInstance") -> str:
    """16 hex digits naming all of it."""
    content = json.dumps(asdict(recipe, dict_factory=_without_neutral), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def weights_digest(weights: Mapping[str, Tensor]) -> str:
    """64 hex digits naming weights and their names, in this order."""
    digest = hashlib.sha256()
    for name, value in weights.items():
        digest.update(name.encode() + value.cpu().numpy().tobytes())
    return digest.hexdigest()


def _without_neutral(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in pairs if name not in NEUTRAL or NEUTRAL[name] != value}


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """A crash at any point leaves either the last checkpoint or this one."""
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / CHECKPOINT) as beside:
        torch.save({part.name: getattr(checkpoint, part.name) for part in fields(checkpoint)}, beside)


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """None when there is none yet. Raises ArtifactError when it is broken."""
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    return load_torch(path, lambda parts: Checkpoint(**parts), remedy="delete it to start over")


def load_torch(path: Path, made: Callable[[Any], Made], *, remedy: str) -> Made:
    """What `made` makes of what torch.save wrote. Raises ArtifactError with the remedy when it is anything else."""
    try:
        return made(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # any other file is read as a pickle, and that can fail in every way
        what = str(error).partition(". ")[0]
        raise ArtifactError(f"{path} is broken ({type(error).__name__}: {what}); {remedy}") from error


def existing_checkpoint(run: Path) -> Checkpoint:
    """As `read_checkpoint`; also raises ArtifactError when there is none."""
    checkpoint = read_checkpoint(run)
    if checkpoint is None:
        raise ArtifactError(f"{run} holds no checkpoint: give the --out of a training run")
    return checkpoint


def checkpoint_of(folder: Path, recipe: str) -> Checkpoint | None:
    """As `read_checkpoint`; also raises ArtifactError when it is another recipe's."""
    checkpoint = read_checkpoint(folder)
    if checkpoint is not None and checkpoint.recipe != recipe:
        raise ArtifactError(
            f"{folder / CHECKPOINT} is of recipe {checkpoint.recipe}, this configuration is {recipe}: "
            "give another --out, or delete it to start over"
        )
    return checkpoint
