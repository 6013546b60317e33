"""How a transcriber is fitted to the cohort it serves worst: one TOML file says the method, its strength and the stage.

Each way is a line of `[method]`, and they combine:
    penalty = "ewc", strength = 1e6       weights are held to the start by what they matter, or all alike ("l2")
    everybody_share = 0.5                 replay: so many mixtures are of everybody
    everybody_share = 1.0, oversampling = 4.0    everybody, the cohort's talkers four times as often
    parts = "encoder"                     the rest stays
    cohort_vector = true                  the encoder is told whose speech it hears, which it learns to use
With none of them it is plain fine-tuning on the cohort alone.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from svc.models.transcriber import TranscriberConfig
from training.checkpoint import recipe_digest
from training.data.cohort_sampling import CohortSampling
from training.recipe_file import load_recipe
from training.transcriber_recipe import OptimiserConfig, Stage, TranscriberRecipe

NONE, L2, EWC = "none", "l2", "ewc"
PENALTIES = (NONE, L2, EWC)
# What adapts -> the model's parts, beside the input for cohorts. Separator and heads never do.
PARTS = {
    "encoder": ("encoder",),
    "predictor": ("predictor",),
    "all": ("encoder", "predictor"),
    "transducer": ("encoder", "predictor", "joint"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodConfig:
    """See the module's text. `fisher_mixtures`: of everybody, each of which gives a squared gradient.

    What a cohort adds to the encoder's input is new and wants larger steps: `cohort_rate` times the learning rate.
    """

    parts: str = "all"
    penalty: str = NONE
    strength: float = 0.0
    fisher_mixtures: int = 400
    everybody_share: float = 0.0
    oversampling: float = 1.0
    cohort_vector: bool = False
    cohort_rate: float = 100.0
    # Of the mixtures, those whose talker's cohort is not told.
    unknown_share: float = 0.2

    def __post_init__(self) -> None:
        if not 0 <= self.unknown_share < 1 or self.cohort_rate <= 0:
            raise ValueError(f"need 0 <= unknown_share < 1 and cohort_rate > 0: {self}")
        if self.parts not in PARTS or self.penalty not in PENALTIES:
            raise ValueError(f"parts must be one of {', '.join(PARTS)} and penalty of {', '.join(PENALTIES)}: {self}")
        if self.strength < 0 or (self.strength and self.penalty == NONE) or self.fisher_mixtures < 1:
            raise ValueError(f"need strength >= 0, a penalty for it to be of, and fisher_mixtures >= 1: {self}")
        self.sampling(())

    def sampling(self, speakers: Collection[str]) -> CohortSampling:
        """Whom mixtures are drawn from. Raises ValueError for shares out of range."""
        return CohortSampling(
            speakers=frozenset(speakers), everybody_share=self.everybody_share, oversampling=self.oversampling
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptationRecipe:
    """Everything that decides the weights, beside the artifact, the cohort and the data."""

    name: str
    seed: int = 0
    method: MethodConfig = field(default_factory=MethodConfig)
    optimiser: OptimiserConfig = field(default_factory=lambda: OptimiserConfig(weight_decay=0.0))
    stage: Stage
    validate_every: int = 500
    validation_mixtures: int = 32

    def __post_init__(self) -> None:
        if self.stage.trains != "recogniser":
            raise ValueError(f'only the recogniser adapts: trains must be "recogniser", got {self.stage.trains!r}')
        if self.optimiser.weight_decay:
            raise ValueError("weights may be held to their start, not to zero: weight_decay must be 0")

    def digest(self, start: str, speakers: Collection[str]) -> str:
        """16 hex digits naming all of it, the artifact by its fingerprint, and the cohort's talkers."""
        whole = _Named(recipe=self, start=start, speakers=tuple(sorted(speakers)))
        return recipe_digest(whole)

    def training(self, model: TranscriberConfig) -> TranscriberRecipe:
        """As the trainer takes it."""
        return TranscriberRecipe(
            name=self.name,
            seed=self.seed,
            model=model,
            optimiser=self.optimiser,
            stages=(self.stage,),
            validate_every=self.validate_every,
            validation_mixtures=self.validation_mixtures,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    recipe: AdaptationRecipe
    start: str
    speakers: tuple[str, ...]


def read_adaptation(path: Path) -> AdaptationRecipe:
    """Raises ValueError naming the file and the key at fault."""
    return load_recipe(AdaptationRecipe, path)
