"""The recipe of a verifier's training: data, network, loss and fairness in one TOML file, for one CPU or many GPUs."""

from dataclasses import dataclass, field
from pathlib import Path

from svc.typed_config import check_at_least, check_positive
from training.checkpoint import recipe_digest
from training.data.speaker_batches import CutConfig
from training.fairness.methods import FairnessConfig
from training.losses.speaker_loss import SpeakerLossConfig
from training.recipe_file import load_recipe
from training.trained_embedder import EmbedderConfig
from training.training_run import learning_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerDataConfig:
    """Whose speech, and how it is cut. Columns are those of the manifest, any it has."""

    corpora: tuple[str, ...]
    # Crossed, they make the groups: told to methods that need them, and else shown in the curves alone.
    groups: tuple[str, ...] = ()
    # A talker at another speed counts as another person.
    speeds: tuple[float, ...] = (1.0,)
    # Talkers with less are left out.
    min_speech_s: float = 4.0
    noise_corpus: str = "noise"
    cuts: CutConfig = field(default_factory=CutConfig)
    # Of each talker, when only the projection is trained, or with keep_features: made once, with their augmentation.
    cached_cuts: int = 8
    # For a network so small that hearing a batch costs as much as a step: fewer different cuts, all of one length.
    keep_features: bool = False
    # Of each dev talker; trials are between talkers who have the same, known value in each of these columns.
    validation_cuts: int = 4
    trials_within: tuple[str, ...] = ("sex",)

    def __post_init__(self) -> None:
        if not self.corpora:
            raise ValueError("corpora must name one, as the manifest does")
        if not self.speeds or min(self.speeds) <= 0:
            raise ValueError(f"speeds must be a list of numbers above zero, got {list(self.speeds)}")
        check_at_least(0, self, "min_speech_s")
        check_at_least(2, self, "validation_cuts")
        if self.cached_cuts < self.cuts.utterances:
            raise ValueError(
                f"cached_cuts must be at least cuts.utterances, {self.cuts.utterances}: got {self.cached_cuts}"
            )
        if self.keep_features and len({*self.cuts.duration_s}) > 1:
            raise ValueError("keep_features needs cuts of one length: shortest and longest cuts.duration_s alike")


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderOptimiser:
    """AdamW; the rate rises from zero over the warm-up and falls straight to the last one; gradients are clipped."""

    learning_rate: float = 1e-3
    last_learning_rate: float = 1e-5
    warmup_steps: int = 50
    weight_decay: float = 1e-4
    max_gradient_norm: float = 5.0
    # Of the learning rate, for the embedder: one that was pretrained wants smaller steps than the loss's parameters.
    embedder_rate: float = 1.0

    def __post_init__(self) -> None:
        check_positive(self, "learning_rate", "last_learning_rate", "embedder_rate", "max_gradient_norm")
        check_at_least(0, self, "warmup_steps", "weight_decay")

    def rate_at(self, step: int, num_steps: int) -> float:
        """Of the optimiser step that comes after `step` of them."""
        rates = self.learning_rate, self.last_learning_rate
        return learning_rate(*rates, done=step / num_steps, step=step, warmup_steps=self.warmup_steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderRecipe:
    """Everything that decides the weights, beside the data and the machine's arithmetic.

    `speakers` counts those of a batch over all ranks together.
    """

    name: str
    seed: int = 0
    steps: int
    speakers: int = 32
    validate_every: int = 200
    data: SpeakerDataConfig
    embedder: EmbedderConfig = field(default_factory=EmbedderConfig)
    loss: SpeakerLossConfig = field(default_factory=SpeakerLossConfig)
    fairness: FairnessConfig = field(default_factory=FairnessConfig)
    optimiser: EmbedderOptimiser = field(default_factory=EmbedderOptimiser)

    def __post_init__(self) -> None:
        check_at_least(1, self, "steps", "validate_every")
        check_at_least(2, self, "speakers")
        if self.fairness.needs_groups and not self.data.groups:
            raise ValueError(f"fairness.method {self.fairness.method!r} needs data.groups")
        if self.fairness.of_pairs and not self.loss.of_pairs:
            raise ValueError(f"fairness.method {self.fairness.method!r} needs a loss of pairs, not {self.loss.kind!r}")
        if self.loss.of_pairs and self.data.cuts.utterances < 2:
            raise ValueError(f"loss.kind {self.loss.kind!r} needs data.cuts.utterances >= 2")

    @property
    def digest(self) -> str:
        """16 hex digits naming all of it."""
        return recipe_digest(self)


def read_recipe(path: Path) -> EmbedderRecipe:
    """Raises ValueError naming the file and the key at fault."""
    return load_recipe(EmbedderRecipe, path)
