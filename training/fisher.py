"""What a transcriber's weights matter: its diagonal Fisher information over train talkers, kept in a file.

The expected curvature of the loss at the trained weights, under what the model was trained on: utterances of everybody,
a batch of one each, so that no squares of sums get in. Gradients are of the loss per token, so short utterances weigh
more than in a Fisher of the log-probability of whole utterances, and strengths are in that unit. METHODS: arXiv
2207.07850.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from svc.errors import ArtifactError
from svc.models.transcriber import Transcriber
from svc.whole_file import replacing
from training.checkpoint import load_torch, recipe_digest
from training.data.batches import collate
from training.data.mixtures import MixtureConfig
from training.losses.ewc import diagonal_fisher
from training.losses.transcriber_loss import LossConfig
from training.tables import progress_over
from training.transcriber_data import TranscriberData
from training.transcriber_recipe import Stage
from training.transcriber_step import TrainingStep

Fisher = dict[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class FisherMaking:
    """What it is made of: weights by their fingerprint, and `number` mixtures of these utterances with these losses."""

    weights: str
    mixtures: MixtureConfig
    losses: LossConfig
    number: int
    utterances: tuple[str, ...]


def kept_fisher(path: Path, making: FisherMaking, model: Transcriber, data: TranscriberData) -> Fisher:
    """From the file, or else computed and put there.

    Raises ArtifactError when the file is broken or of another making.
    """
    made_from = recipe_digest(making)
    if not path.exists():
        fisher = transcriber_fisher(model, data, making)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as beside:
            torch.save({"made_from": made_from, "fisher": fisher}, beside)
    found, fisher = load_torch(
        path, lambda kept: (kept["made_from"], dict(kept["fisher"])), remedy="delete it to compute it again"
    )
    if found != made_from:
        raise ArtifactError(f"{path} is of {found}, not of {made_from}: give another --fisher, or delete it")
    return fisher


def transcriber_fisher(model: Transcriber, data: TranscriberData, making: FisherMaking) -> Fisher:
    """Of all parameters; the model is left in evaluation."""
    model.eval()
    with torch.random.fork_rng(devices=[]), progress_over(making.number, "Fisher information") as tick:
        torch.manual_seed(0)
        return diagonal_fisher(dict(model.named_parameters()), _losses(model, data, making, tick))


def _losses(
    model: Transcriber, data: TranscriberData, making: FisherMaking, tick: Callable[[], None]
) -> Iterator[Tensor]:
    stage = Stage(name="Fisher", steps=1, trains="recogniser", losses=making.losses)
    step = TrainingStep(model)
    for example in data.of_everybody(making.mixtures, making.number):
        yield step(collate([example]), stage).total
        tick()
