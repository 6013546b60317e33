"""The recipe of a transcriber: model, start, stages and losses in one TOML file, the same for one CPU or many GPUs."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from svc.models.encoders import EncoderConfig
from svc.models.transcriber import TranscriberConfig
from svc.typed_config import check_at_least, check_positive, check_shares, load_config
from training.checkpoint import recipe_digest
from training.data.mixtures import MixtureConfig
from training.losses.transcriber_loss import LossConfig
from training.recipe_file import load_recipe
from training.training_run import learning_rate

PARTS = ("separator", "recogniser", "all")
STARTS = ("random", "standardised", "whisper-tiny.en")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stretch of the curriculum.

    `trains`: the separator alone on its masks; the recogniser alone on mixtures nobody talks over in, unmasked; or all.
    `batch` counts mixtures over all ranks together. `fixed_mixtures`: so many, again and again; 0 = always new ones.
    """

    name: str
    steps: int
    trains: str = "all"
    batch: int = 8
    learning_rate: float = 5e-4
    last_learning_rate: float = 5e-4
    fixed_mixtures: int = 0
    mixtures: MixtureConfig = field(default_factory=MixtureConfig)
    losses: LossConfig = field(default_factory=LossConfig)
    # Of the channels nobody speaks on, the share the recogniser is trained on: they cost as much as the others and
    # teach little. Only for a stage that trains all.
    silent_share: float = 1.0

    def __post_init__(self) -> None:
        if self.trains not in PARTS:
            raise ValueError(f"trains must be one of {', '.join(PARTS)}, got {self.trains!r}")
        check_positive(self, "silent_share")
        check_shares(self, "silent_share")
        if self.silent_share < 1 and self.trains != "all":
            raise ValueError(f'silent_share is of a stage that trains "all", not {self.trains!r}')
        check_at_least(1, self, "steps", "batch")
        check_positive(self, "learning_rate", "last_learning_rate")
        check_at_least(0, self, "fixed_mixtures")

    @property
    def learns_words(self) -> bool:
        """Whether what is learnt can be decoded: masks and frames by themselves cannot."""
        return self.trains != "separator" and self.losses.transducer > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimiserConfig:
    """AdamW with a linear warm-up; gradients clipped by their norm; weights averaged over steps for evaluation."""

    warmup_steps: int = 200
    # Of the learning rate, for the encoder: one that was pretrained wants smaller steps than what is new.
    encoder_rate: float = 1.0
    weight_decay: float = 0.01
    max_gradient_norm: float = 5.0
    averaging: float = 0.999
    # bf16 where the processor has it (auto), always (bf16) or never (fp32).
    precision: str = "auto"

    def __post_init__(self) -> None:
        if self.precision not in ("auto", "bf16", "fp32"):
            raise ValueError(f"precision must be auto, bf16 or fp32, got {self.precision!r}")
        check_at_least(0, self, "warmup_steps", "weight_decay")
        check_positive(self, "encoder_rate", "max_gradient_norm")
        if not 0 <= self.averaging < 1:
            raise ValueError(f"averaging must be from 0 and below 1, got {self.averaging}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriberRecipe:
    """Everything that decides the weights, beside the data and the machine's arithmetic.

    `model.num_tokens` is that of the units; 0 = take it from them. Without `turn_tokens` the model learns words alone.
    """

    name: str
    seed: int = 0
    start: str = "random"
    turn_tokens: bool = True
    model: TranscriberConfig = field(default_factory=lambda: TranscriberConfig(num_tokens=0))
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    stages: tuple[Stage, ...]
    validate_every: int = 500
    validation_mixtures: int = 32

    def __post_init__(self) -> None:
        if self.start not in STARTS:
            raise ValueError(f"start must be one of {', '.join(STARTS)}, got {self.start!r}")
        if not self.stages:
            raise ValueError("stages must be one or more [[stages]]")
        check_at_least(1, self, "validate_every", "validation_mixtures")

    @property
    def digest(self) -> str:
        """16 hex digits naming all of it."""
        return recipe_digest(self)

    @property
    def learns_to_separate(self) -> bool:
        """Whether any stage trains the separator."""
        return any(stage.trains != "recogniser" for stage in self.stages)

    @property
    def num_steps(self) -> int:
        return sum(stage.steps for stage in self.stages)

    def stage_at(self, step: int) -> tuple[int, int]:
        """The stage of an optimiser step and the steps done in it."""
        for number, stage in enumerate(self.stages):
            if step < stage.steps:
                return number, step
            step -= stage.steps
        return len(self.stages), 0

    def learning_rate_at(self, step: int) -> float:
        """Straight from the stage's first rate to its last; over the first steps of the run it rises from zero."""
        number, done = self.stage_at(step)
        stage = self.stages[number]
        rates = stage.learning_rate, stage.last_learning_rate
        return learning_rate(*rates, done=done / stage.steps, step=step, warmup_steps=self.optimiser.warmup_steps)


def read_recipe(path: Path, *, encoder: Path | None = None) -> TranscriberRecipe:
    """`encoder`: a file as those in training/configs/encoders, which takes the place of the recipe's own encoder, so
    that encoders may be compared on one recipe; its name joins the recipe's.

    Raises ValueError naming the file and the key at fault.
    """
    recipe = load_recipe(TranscriberRecipe, path)
    if encoder is None:
        return recipe
    model = replace(recipe.model, encoder=load_config(EncoderConfig, encoder))
    return replace(recipe, name=f"{recipe.name}-{encoder.stem}", model=model)
