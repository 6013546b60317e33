"""Which metric loss a verifier is trained with: one object of settings, one module."""

from dataclasses import dataclass
from typing import Literal

from torch import nn

from svc.typed_config import check_at_least, check_positive
from training.losses.aam_softmax import AamSoftmax
from training.losses.prototypical import AngularPrototypical, GeneralisedEndToEnd
from training.losses.speaker_scores import PairForm

ScoreEmbeddings = Literal["angular-prototypical", "ge2e", "aam-softmax"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerLossConfig:
    """`pairs`: each query's softmax over prototypes, or every pair a binary decision. The rest is AAM-softmax's."""

    kind: ScoreEmbeddings = "angular-prototypical"
    pairs: PairForm = "softmax"
    centres: int = 1
    margin: float = 0.2
    scale: float = 30.0

    def __post_init__(self) -> None:
        check_at_least(1, self, "centres")
        check_at_least(0, self, "margin")
        check_positive(self, "scale")
        if not self.of_pairs and self.pairs != "softmax":
            raise ValueError(f"{self.kind} has no pairs of utterances: pairs must stay 'softmax'")

    @property
    def of_pairs(self) -> bool:
        """Whether both sides of a score are utterances."""
        return self.kind != "aam-softmax"


def make_speaker_loss(config: SpeakerLossConfig, *, width: int, num_speakers: int) -> nn.Module:
    """(N, M, D) embeddings and (N,) training speakers -> SpeakerScores; trained along with the embedder."""
    if config.kind == "aam-softmax":
        return AamSoftmax(width, num_speakers, centres=config.centres, margin=config.margin, scale=config.scale)
    kinds = {"angular-prototypical": AngularPrototypical, "ge2e": GeneralisedEndToEnd}
    return kinds[config.kind](config.pairs)
