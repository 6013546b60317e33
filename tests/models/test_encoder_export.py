"""Every encoder leaves Python: as a torch graph with its state in and out it gives what it gives here."""

import pytest
import torch
from torch import Tensor, nn

from svc.models.amortised_transformer import AmortisedTransformer
from svc.models.encoder import Encoder
from svc.models.encoders import ENCODER_KINDS
from tests.models.toy_transcriber import random_mels, toy_encoder

CHUNK_FRAMES = 8


class Stepping(nn.Module):
    """(N, T, M) and the state's tensors -> the frames and the next state's."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, mels: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        frames, after = self.encoder(mels, state)
        return frames, *after


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The tensor attributes")  # torch assigns the weights of its own LSTM
@pytest.mark.parametrize("kind", ENCODER_KINDS)
def test_an_exported_encoder_streams_as_it_does_here(kind: str) -> None:
    encoder = toy_encoder(kind)
    if isinstance(encoder, AmortisedTransformer):
        encoder.skips = False  # what is computed depends on the data, which no graph can tell
    step, mels = Stepping(encoder).eval(), random_mels(1, 4 * CHUNK_FRAMES)
    with torch.inference_mode():
        here = there = (mels[:, :0], *encoder.initial_state(1))
    program = torch.export.export(step, (mels[:, :CHUNK_FRAMES], *encoder.initial_state(1))).module()
    for piece in torch.split(mels, CHUNK_FRAMES, dim=1):
        with torch.no_grad():
            here, there = step(piece, *here[1:]), program(piece, *there[1:])
        torch.testing.assert_close(there, here, atol=1e-5, rtol=1e-5)
