"""Transcribers small enough for tests, with random weights and a spread that makes every mask and score differ."""

from functools import cache

import torch
from torch import Tensor

from svc.models.chunked_transformer import ChunkedTransformerConfig
from svc.models.lstm_encoder import LstmEncoderConfig
from svc.models.separator import SeparatorConfig
from svc.models.transcriber import EncoderConfig, Transcriber, TranscriberConfig
from svc.models.transducer import PredictorConfig

NUM_MELS, NUM_TOKENS = 12, 9
TRANSFORMER = ChunkedTransformerConfig(block_width=16, num_heads=2, num_layers=2, left_context_frames=6, width=10)
LSTM = LstmEncoderConfig(hidden_width=14, num_layers=2, width=10)


def toy_config(kind: str = "transformer", predictor: str = "lstm", lookahead_frames: int = 4) -> TranscriberConfig:
    return TranscriberConfig(
        num_tokens=NUM_TOKENS,
        num_mels=NUM_MELS,
        separator=SeparatorConfig(hidden_width=16, lookahead_frames=lookahead_frames),
        encoder=EncoderConfig(kind=kind, transformer=TRANSFORMER, lstm=LSTM),
        predictor=PredictorConfig(kind=predictor, width=8),
        joint_width=8,
    )


@cache
def toy_transcriber(kind: str = "transformer", predictor: str = "lstm", lookahead_frames: int = 4) -> Transcriber:
    torch.manual_seed(0)
    return Transcriber(toy_config(kind, predictor, lookahead_frames)).eval()


def random_mels(batch: int, num_frames: int, seed: int = 0) -> Tensor:
    """(B, T, M) in the range of log-mels."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, num_frames, NUM_MELS, generator=generator) * 3 - 7
