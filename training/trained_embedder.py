"""The network a verifier's training changes: CAM++ from published weights, all of it or its end, or ECAPA-TDNN.

Letters: B clips, T frames, F mels, W pooled statistics, D embedding width.
"""

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from svc.backends.campplus_torch import load_campplus
from svc.backends.embedder_artifact import make_network
from svc.backends.store import ModelStore
from svc.models.embedder import CamPlusPlus, CamPlusPlusConfig
from svc.models.embedder_shape import EcapaConfig, EmbedderShape
from training.checkpoint import weights_digest

Trains = Literal["whole", "last-blocks", "head"]
PUBLISHED = "campplus"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderConfig:
    """`start`: published weights (of campplus only), or random ones.

    `trains`, of CAM++: the whole network; its last dense block and what follows; or the projection alone, on pooled
    statistics that are computed once: minutes on a CPU. Norms of published weights keep their statistics.
    """

    kind: Literal["campplus", "ecapa"] = "campplus"
    start: Literal["published", "random"] = "published"
    trains: Trains = "whole"
    campplus: CamPlusPlusConfig = field(default_factory=CamPlusPlusConfig)
    ecapa: EcapaConfig = field(default_factory=EcapaConfig)

    def __post_init__(self) -> None:
        if self.kind == "ecapa" and (self.start, self.trains) != ("random", "whole"):
            raise ValueError("ecapa has no published weights here: start must be 'random', trains 'whole'")
        if self.start == "published" and self.campplus != CamPlusPlusConfig():
            raise ValueError("published weights come in one size: leave embedder.campplus out")

    @property
    def shape(self) -> EmbedderShape:
        """Of the network, before any method's branches."""
        return EmbedderShape(network=self.kind, campplus=self.campplus, ecapa=self.ecapa)

    @property
    def width(self) -> int:
        """D."""
        return self.shape.network_width


class TrainedEmbedder(nn.Module):
    """Features, or pooled statistics where only the projection is trained, to embeddings."""

    config: EmbedderConfig
    network: nn.Module

    def __init__(self, config: EmbedderConfig, network: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.network = network
        if isinstance(network, CamPlusPlus):
            kept = set(map(id, trained_parameters(network, config.trains)))
            for parameter in network.parameters():
                parameter.requires_grad_(id(parameter) in kept)

    def train(self, mode: bool = True) -> "TrainedEmbedder":
        """Norms with published statistics stay as they are."""
        super().train(mode and self.config.start == "random")
        return self

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, T, F) features, or (B, W) statistics -> (B, D), of any length."""
        if isinstance(self.network, CamPlusPlus):
            if self.config.trains == "head":
                return self.network.xvector.dense(inputs)  # type: ignore[no-any-return]
            return self.network(inputs)  # type: ignore[no-any-return]
        return self.network(inputs).squeeze(1)  # type: ignore[no-any-return]

    @torch.no_grad()
    def pooled(self, features: Tensor) -> Tensor:
        """(B, T, F) -> (B, W): what the projection is trained on."""
        if not isinstance(self.network, CamPlusPlus):
            raise ValueError("only CAM++ is trained on pooled statistics")
        return self.network.pooled(features)

    def digest(self, *, without: tuple[str, ...] = ()) -> str:
        """64 hex digits naming the weights, but for those whose names begin with one of `without`."""
        weights = self.network.state_dict().items()
        return weights_digest({name: value for name, value in weights if not name.startswith(without)})


def trained_parameters(network: CamPlusPlus, trains: Trains) -> list[nn.Parameter]:
    """Those that training may change."""
    backbone = network.xvector
    if trains == "whole":
        return list(network.parameters())
    parts: list[nn.Module] = [backbone.dense]
    if trains == "last-blocks":
        block, transition = list(backbone.stages())[-1]
        parts += [*block, transition, backbone.out_nonlinear]
    return [parameter for part in parts for parameter in part.parameters()]


def make_embedder(config: EmbedderConfig, store: ModelStore) -> TrainedEmbedder:
    """With weights as `config.start` says, random ones from torch's own state.

    Raises ModelUnavailableError when published weights are not at hand.
    """
    network = load_campplus(store.path(PUBLISHED)) if config.start == "published" else random_network(config)
    return TrainedEmbedder(config, network)


def random_network(config: EmbedderConfig) -> nn.Module:
    """The architecture alone."""
    return make_network(config.shape)
