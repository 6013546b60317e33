"""A verifier that trains in a second, on synthetic talkers; under torchrun, it writes losses and gradients."""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from svc.models.embedder import CamPlusPlusConfig
from tests.training.data.toy_voices import VoicesInMemory, toy_speakers
from training.data.rendering import Sounds
from training.data.speaker_augmentation import AugmentationConfig
from training.data.speaker_batches import CutConfig, SpeakerFeatures
from training.distributed import World, joined_world
from training.embedder_data import EmbedderData, schedule_of
from training.embedder_recipe import EmbedderOptimiser, EmbedderRecipe, SpeakerDataConfig
from training.fairness.methods import FairnessConfig
from training.fairness.regions import RegionConfig
from training.fairness.reweighting import ReweightingConfig
from training.train_embedder import EmbedderTrainer
from training.trained_embedder import EmbedderConfig, TrainedEmbedder, random_network

SMALL = CamPlusPlusConfig(
    head_channels=4, tdnn_channels=8, growth=4, bottleneck=8, block_layers=(1, 1, 1), embedding_width=12
)
DRY = AugmentationConfig(room_share=0, noise_share=0, telephone_share=0, codec_share=0)
REWEIGHTING = ReweightingConfig(warmup_steps=1, rate=0.1, regions=RegionConfig(count=2, remembered=64))
RECIPE = EmbedderRecipe(
    name="toy",
    steps=5,
    speakers=4,
    data=SpeakerDataConfig(
        corpora=("toy",), groups=("sex",), cuts=CutConfig(duration_s=(0.3, 0.4), augmentation=DRY), min_speech_s=1.0
    ),
    embedder=EmbedderConfig(start="random", campplus=SMALL),
    fairness=FairnessConfig(method="pw", reweighting=REWEIGHTING),
    optimiser=EmbedderOptimiser(warmup_steps=1),
)


def toy_data(recipe: EmbedderRecipe = RECIPE, *, flip_groups: bool = False) -> EmbedderData:
    """Eight talkers, two epochs in five steps."""
    speakers = toy_speakers(8)
    if flip_groups:
        speakers = [replace(each, sessions=tuple(replace(s, group=0) for s in each.sessions)) for each in speakers]
    return EmbedderData(
        examples=SpeakerFeatures(speakers, Sounds(VoicesInMemory()), recipe.data.cuts, seed=recipe.seed),
        schedule=schedule_of(recipe, speakers),
        group_names=("female", "male"),
    )


def trainer_at(
    recipe: EmbedderRecipe, out: Path, *, world: World | None = None, data: EmbedderData | None = None
) -> EmbedderTrainer:
    torch.manual_seed(recipe.seed)
    embedder = TrainedEmbedder(recipe.embedder, random_network(recipe.embedder))
    return EmbedderTrainer(recipe, data or toy_data(recipe), embedder, out=out, world=world or World())


def gradients_of(trainer: EmbedderTrainer) -> dict[str, Tensor]:
    """Of the step just done: the embedder's, the loss's and the adversary's."""
    named = trainer.parts.named_parameters()
    return {name: parameter.grad.clone() for name, parameter in named if parameter.grad is not None}


def main(out: Path) -> None:
    with joined_world() as world:
        trainer = trainer_at(RECIPE, out, world=world)
        losses: list[float] = []
        gradients: dict[str, Tensor] = {}
        for figures in trainer.remaining_steps():
            losses.append(figures["loss"])
            gradients = gradients or gradients_of(trainer)
        if world.is_first:
            out.mkdir(parents=True, exist_ok=True)
            torch.save({"losses": torch.tensor(losses), "gradients": gradients}, out / "run.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
