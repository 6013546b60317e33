"""Which network an embedder of our own training is, and its sizes: what its artifact's card must say to rebuild it."""

from dataclasses import dataclass, field
from typing import Literal

from svc.models.embedder import CamPlusPlusConfig
from svc.typed_config import check_at_least


@dataclass(frozen=True, slots=True, kw_only=True)
class EcapaConfig:
    """ECAPA-TDNN's sizes; the layer before pooling is three times as wide as the others."""

    channels: int = 512
    attention_channels: int = 128
    squeeze_channels: int = 128
    num_mels: int = 80
    embedding_width: int = 192

    def __post_init__(self) -> None:
        check_at_least(1, self, "attention_channels", "squeeze_channels", "num_mels", "embedding_width")
        # Res2Net cuts them into as many.
        if self.channels < 8 or self.channels % 8:
            raise ValueError(f"channels must be a multiple of 8, got {self.channels}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderShape:
    """`group_branches`: how many follow the network (svc.models.group_branches); 0 = its embedding is the voice."""

    network: Literal["campplus", "ecapa"] = "campplus"
    campplus: CamPlusPlusConfig = field(default_factory=CamPlusPlusConfig)
    ecapa: EcapaConfig = field(default_factory=EcapaConfig)
    group_branches: int = 0

    @property
    def network_width(self) -> int:
        """Of the network's own embedding."""
        return (self.ecapa if self.network == "ecapa" else self.campplus).embedding_width

    @property
    def width(self) -> int:
        """Of the voice."""
        return self.network_width * (1 + self.group_branches)
