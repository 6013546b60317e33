"""An adaptation that takes a second: a toy artifact, and the cohort of two of five synthetic talkers."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import torch

from svc.backends.transcriber_artifact import TranscriberArtifact
from svc.models.encoders import EncoderConfig
from svc.models.transcriber import Transcriber
from tests.training.toy_transcriber_run import BANDED, RECIPE, toy_data
from training.adaptation import Adaptation, AdaptationTrainer
from training.adaptation_recipe import AdaptationRecipe, MethodConfig
from training.data.mixtures import MixtureConfig
from training.fairness.cohorts.cohort import Cohorts, cohorts_of
from training.transcriber_recipe import OptimiserConfig, Stage

COHORT = frozenset({"t1", "t3"})
COHORTS = cohorts_of("toy", {f"t{who}": "odd" if f"t{who}" in COHORT else "even" for who in range(4)})
ALONE = MixtureConfig(
    room_share=0,
    noise_share=0,
    max_duration_s=3,
    talkers=(1, 1),
    turns=(1, 1),
    turn_s=(0.3, 1.0),
    overlap_share=(0, 0),
    natural_share=0,
)
TOY = AdaptationRecipe(
    name="toy",
    method=MethodConfig(fisher_mixtures=3),
    optimiser=OptimiserConfig(warmup_steps=1, weight_decay=0.0, precision="fp32", averaging=0.0),
    stage=Stage(
        name="cohort",
        trains="recogniser",
        steps=3,
        batch=2,
        learning_rate=1e-2,
        mixtures=ALONE,
        losses=replace(BANDED, separation=0.0),
    ),
    validation_mixtures=2,
)


@cache
def toy_artifact(encoder: EncoderConfig = RECIPE.model.encoder) -> TranscriberArtifact:
    torch.manual_seed(1)
    units = toy_data().runtime_units
    model = Transcriber(replace(RECIPE.model, num_tokens=len(units), encoder=encoder)).eval()
    return TranscriberArtifact(model=model, units=units, fingerprint="toy", card={}, card_toml="")


def toy_adaptation(recipe: AdaptationRecipe = TOY, cohorts: Cohorts = COHORTS) -> Adaptation:
    return Adaptation(recipe=recipe, artifact=toy_artifact(), cohorts=cohorts, name="odd")


def toy_trainer(
    out: Path,
    method: MethodConfig,
    *,
    seed: int = 0,
    cohorts: Cohorts = COHORTS,
    artifact: TranscriberArtifact | None = None,
) -> AdaptationTrainer:
    adaptation = toy_adaptation(replace(TOY, method=method, seed=seed), cohorts)
    adaptation = replace(adaptation, artifact=artifact or adaptation.artifact)
    return AdaptationTrainer(adaptation, toy_data(seed), out=out, fisher=out / "fisher.pt")
