"""A training run on disk: everything needed to go on to the bit, written beside and renamed."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from svc.errors import ArtifactError

CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Checkpoint:
    """State after `step` optimiser steps. `recipe` names the configuration it belongs to."""

    step: int
    recipe: str
    model: dict[str, Tensor]
    averaged: dict[str, Tensor]
    optimizer: dict[str, Any]
    random_state: Tensor


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """A crash at any point leaves either the last checkpoint or this one."""
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f".{CHECKPOINT}"
    torch.save({part.name: getattr(checkpoint, part.name) for part in fields(checkpoint)}, beside)
    beside.replace(folder / CHECKPOINT)


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """None when there is none yet. Raises ArtifactError when it is broken."""
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        return Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except (RuntimeError, EOFError, TypeError, OSError, ValueError) as error:
        raise ArtifactError(f"checkpoint {path} is broken: {error}; delete it to start over") from error


def checkpoint_of(folder: Path, recipe: str) -> Checkpoint | None:
    """As `read_checkpoint`; also raises ArtifactError when it is another recipe's."""
    checkpoint = read_checkpoint(folder)
    if checkpoint is not None and checkpoint.recipe != recipe:
        raise ArtifactError(
            f"{folder / CHECKPOINT} is of recipe {checkpoint.recipe}, this configuration is {recipe}: "
            "give another --out, or delete it to start over"
        )
    return checkpoint
