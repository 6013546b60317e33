"""The slot of the recognition encoder: which there are, and the one a configuration names."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from svc.models.amortised_transformer import AmortisedTransformer, AmortisedTransformerConfig
from svc.models.chunked_transformer import ChunkedTransformer, ChunkedTransformerConfig
from svc.models.conformer import Conformer, ConformerConfig
from svc.models.contextnet import ContextNet, ContextNetConfig
from svc.models.conv_rnn_encoder import ConvRnnEncoder, ConvRnnEncoderConfig
from svc.models.encoder import Encoder
from svc.models.lstm_encoder import LstmEncoder, LstmEncoderConfig

# The field of EncoderConfig that sizes it -> the encoder.
ENCODERS: dict[str, Callable[[Any, int], Encoder]] = {
    "transformer": ChunkedTransformer,
    "lstm": LstmEncoder,
    "conv_rnn": ConvRnnEncoder,
    "contextnet": ContextNet,
    "conformer": Conformer,
    "amortised": AmortisedTransformer,
}
ENCODER_KINDS = tuple(ENCODERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """Which recognition encoder; the tables of the other kinds are ignored."""

    kind: str = "transformer"
    transformer: ChunkedTransformerConfig = field(default_factory=ChunkedTransformerConfig)
    lstm: LstmEncoderConfig = field(default_factory=LstmEncoderConfig)
    conv_rnn: ConvRnnEncoderConfig = field(default_factory=ConvRnnEncoderConfig)
    contextnet: ContextNetConfig = field(default_factory=ContextNetConfig)
    conformer: ConformerConfig = field(default_factory=ConformerConfig)
    amortised: AmortisedTransformerConfig = field(default_factory=AmortisedTransformerConfig)

    def __post_init__(self) -> None:
        if self.kind not in ENCODER_KINDS:
            raise ValueError(f"encoder kind must be one of {', '.join(ENCODER_KINDS)}, got {self.kind!r}")


def build_encoder(config: EncoderConfig, num_mels: int) -> Encoder:
    """The one that hears so many mels."""
    return ENCODERS[config.kind](getattr(config, config.kind), num_mels)
