"""Transcribers small enough for tests, with random weights and a spread that makes every mask and score differ."""

from functools import cache

import torch
from torch import Tensor, nn

from svc.models.amortised_transformer import AmortisedTransformerConfig
from svc.models.chunked_transformer import ChunkedTransformerConfig
from svc.models.conformer import ConformerConfig
from svc.models.contextnet import ContextNetConfig
from svc.models.conv_rnn_encoder import ConvRnnEncoderConfig
from svc.models.encoder import Encoder
from svc.models.encoders import EncoderConfig, build_encoder
from svc.models.lstm_encoder import LstmEncoderConfig
from svc.models.separator import SeparatorConfig
from svc.models.transcriber import Transcriber, TranscriberConfig
from svc.models.transducer import PredictorConfig

NUM_MELS, NUM_TOKENS = 12, 9
TRANSFORMER = ChunkedTransformerConfig(block_width=16, num_heads=2, num_layers=2, left_context_frames=6, width=10)
LSTM = LstmEncoderConfig(hidden_width=14, num_layers=2, width=10)
CONV_RNN = ConvRnnEncoderConfig(
    local_channels=(6, 4),
    local_width=8,
    global_width=8,
    num_global_blocks=2,
    squeeze_factor=2,
    hidden_width=14,
    num_layers=2,
    width=10,
)
CONTEXTNET = ContextNetConfig(
    channels=8, blocks_per_rate=(1, 1, 1), layers_per_block=2, kernel=3, squeeze_factor=2, width=10
)
CONFORMER = ConformerConfig(
    block_width=16, num_heads=2, num_layers=2, left_context_frames=6, kernel=3, mlp_factor=2, width=10
)
# Open about as often as not, so that every pass both computes and skips.
AMORTISED = AmortisedTransformerConfig(
    block_width=16, num_heads=2, num_layers=2, left_context_frames=6, width=10, open_logit=0.0
)


def toy_config(
    kind: str = "transformer", predictor: str = "lstm", lookahead_frames: int = 4, *, second_voice_share: float = 0.0
) -> TranscriberConfig:
    return TranscriberConfig(
        num_tokens=NUM_TOKENS,
        num_mels=NUM_MELS,
        separator=SeparatorConfig(
            hidden_width=16, lookahead_frames=lookahead_frames, second_voice_share=second_voice_share
        ),
        encoder=EncoderConfig(
            kind=kind,
            transformer=TRANSFORMER,
            lstm=LSTM,
            conv_rnn=CONV_RNN,
            contextnet=CONTEXTNET,
            conformer=CONFORMER,
            amortised=AMORTISED,
        ),
        predictor=PredictorConfig(kind=predictor, width=8),
        joint_width=8,
    )


@cache
def toy_transcriber(kind: str = "transformer", predictor: str = "lstm", lookahead_frames: int = 4) -> Transcriber:
    torch.manual_seed(0)
    model = Transcriber(toy_config(kind, predictor, lookahead_frames)).eval()
    unsettle_norms(model)
    return model


def toy_encoder(kind: str) -> Encoder:
    torch.manual_seed(0)
    config = toy_config(kind)
    encoder = build_encoder(config.encoder, config.num_mels).eval()
    unsettle_norms(encoder)
    return encoder


def unsettle_norms(model: nn.Module) -> None:
    """Random running statistics, so that no batch norm is the identity."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(std=0.3)
            module.running_var.uniform_(0.5, 2.0)


def random_mels(batch: int, num_frames: int, seed: int = 0) -> Tensor:
    """(B, T, M) in the range of log-mels."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, num_frames, NUM_MELS, generator=generator) * 3 - 7
