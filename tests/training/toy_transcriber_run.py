"""A transcriber that trains in a second, on synthetic talkers; as a program, under torchrun, it writes its losses and
what each process then draws."""

import sys
from pathlib import Path

import torch

from svc.models.encoders import EncoderConfig
from svc.models.lstm_encoder import LstmEncoderConfig
from svc.models.separator import SeparatorConfig
from svc.models.transcriber import TranscriberConfig
from svc.models.transducer import PredictorConfig
from svc.units import WORD_START, Units
from tests.training.data.talkers import WORDS, TonesInMemory, talkers
from training.data.manifest import DEV, TRAIN
from training.data.mixtures import MixtureConfig
from training.data.rendering import Sounds
from training.data.units import UnitEncoder
from training.distributed import World, joined_world
from training.losses.arc_biases import AlignmentBand
from training.losses.transcriber_loss import LossConfig
from training.losses.transducer import TransducerLossConfig
from training.train_transcriber import TranscriberTrainer
from training.transcriber_data import TranscriberData
from training.transcriber_recipe import OptimiserConfig, Stage, TranscriberRecipe

SHORT = MixtureConfig(room_share=0, noise_share=0, max_duration_s=4)
APART = MixtureConfig(room_share=0, noise_share=0, max_duration_s=4, overlap_share=(0, 0), natural_share=0)
BANDED = LossConfig(transducer_terms=TransducerLossConfig(band=AlignmentBand(left_frames=5, right_frames=5)))
MASKS = LossConfig(transducer=0, ctc=0, activity=0, separation=1)
RECIPE = TranscriberRecipe(
    name="toy",
    model=TranscriberConfig(
        num_tokens=0,
        separator=SeparatorConfig(hidden_width=8, num_layers=1),
        encoder=EncoderConfig(kind="lstm", lstm=LstmEncoderConfig(hidden_width=8, num_layers=1, width=8)),
        predictor=PredictorConfig(width=8),
        joint_width=8,
    ),
    optimiser=OptimiserConfig(warmup_steps=1, precision="fp32"),
    stages=(
        Stage(name="masks", trains="separator", steps=2, batch=2, mixtures=SHORT, losses=MASKS),
        Stage(name="turns", trains="recogniser", steps=1, batch=2, mixtures=APART, losses=BANDED),
        Stage(name="conversations", steps=2, batch=2, mixtures=SHORT),
    ),
)


def toy_data(seed: int = 0, *, turn_tokens: bool = True) -> TranscriberData:
    """Eight words, a piece each."""
    spoken = talkers()
    units = UnitEncoder(units=Units(tuple(WORD_START + word for word in (*WORDS, "<number>"))))
    return TranscriberData(
        units=units,
        utterances={TRAIN: spoken, DEV: spoken},
        sounds=Sounds(TonesInMemory(spoken)),
        seed=seed,
        turn_tokens=turn_tokens,
        statistics_mixtures=2,
    )


def trainer_at(recipe: TranscriberRecipe, out: Path, world: World | None = None) -> TranscriberTrainer:
    return TranscriberTrainer(recipe, toy_data(recipe.seed), out=out, world=world or World())


def main(out: Path) -> None:
    with joined_world() as world:
        trainer = trainer_at(RECIPE, out, world)
        trainer.start()
        losses = []
        while trainer.step < RECIPE.num_steps:
            number, done = RECIPE.stage_at(trainer.step)
            losses += [terms["total"] for terms in trainer.stage_steps(number, done)]
        out.mkdir(parents=True, exist_ok=True)
        torch.save(torch.rand(4), out / f"noise-{world.rank}.pt")
        if world.is_first:
            torch.save(torch.tensor(losses), out / "losses.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
