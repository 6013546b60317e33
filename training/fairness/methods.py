"""Every way to train a verifier, fair or not, by the one line `fairness.method` of a recipe."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from svc.typed_config import check_at_least, check_positive
from training.fairness.group_heads import GroupAdaptedFusion, MultiTaskHead
from training.fairness.reweighting import AdversarialReweighting, Form, ReweightingConfig
from training.fairness.robust import CvarDro, GroupDro, VRex
from training.fairness.weighting import Uniform, Weighting

Method = Literal[
    "uniform", "group-balanced", "group-dro", "cvar-dro", "v-rex", "multi-task", "group-adapted-fusion", Form
]  # fmt: skip
NEED_GROUPS = ("group-balanced", "group-dro", "v-rex", "multi-task", "group-adapted-fusion")


@dataclass(frozen=True, slots=True, kw_only=True)
class FairnessConfig:
    """The method, and the settings of those that have some; what is not the chosen method's does nothing."""

    method: Method = "uniform"
    # aps, pl, pw
    reweighting: ReweightingConfig = field(default_factory=ReweightingConfig)
    # group-dro: of the groups' weights
    group_rate: float = 0.01
    # cvar-dro: of a batch, what is trained on
    worst_share: float = 0.5
    # v-rex: times the variance of the groups' losses
    variance_penalty: float = 1.0
    # multi-task: times the loss of telling the group
    head_weight: float = 0.1

    def __post_init__(self) -> None:
        check_positive(self, "group_rate")
        check_at_least(0, self, "variance_penalty", "head_weight")
        if not 0 < self.worst_share <= 1:
            raise ValueError(f"worst_share must be above 0 and at most 1, got {self.worst_share}")

    @property
    def needs_groups(self) -> bool:
        """Whether training is told the groups."""
        return self.method in NEED_GROUPS

    @property
    def of_pairs(self) -> bool:
        """Whether it needs a metric loss over pairs of utterances, of embeddings of any width."""
        return self.method in ("pw", "group-adapted-fusion")


def make_weighting(config: FairnessConfig, *, width: int, num_groups: int, seed: int = 0) -> Weighting:
    """The method for embeddings of this width. Group-balanced sampling only makes other batches."""
    match config.method:
        case "group-dro":
            return GroupDro(num_groups, config.group_rate)
        case "v-rex":
            return VRex(num_groups, config.variance_penalty)
        case "multi-task":
            return MultiTaskHead(num_groups, width, config.head_weight)
        case "group-adapted-fusion":
            return GroupAdaptedFusion(num_groups, width)
        case "cvar-dro":
            return CvarDro(config.worst_share)
        case "uniform" | "group-balanced":
            return Uniform()
        case form if form in get_args(Form):
            return AdversarialReweighting(form, width, config.reweighting, seed=seed)
        case unknown:
            raise ValueError(f"no method {unknown!r}")
