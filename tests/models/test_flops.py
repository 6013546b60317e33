"""Counted operations against those torch sees when the module really runs."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import torch
from torch.backends import mkldnn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from svc.models.amortised_transformer import Arbitrator
from svc.models.encoder import Encoder
from svc.models.encoders import ENCODER_KINDS, EncoderConfig, build_encoder
from tests.models.toy_transcriber import random_mels, toy_encoder

# Switching oneDNN's LSTM off, which torch's counter cannot look into, makes torch speak of graphics cards.
pytestmark = pytest.mark.filterwarnings("ignore:TF32 acceleration")


@contextmanager
def counting() -> Iterator[FlopCounterMode]:
    """By plain products alone: fused attention and LSTMs are not in torch's count."""
    counter = FlopCounterMode(display=False)
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        stack.enter_context(mkldnn.flags(enabled=False))
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        yield stack.enter_context(counter)


def counted_step(encoder: Encoder, num_frames: int) -> int:
    """Of a stream that has heard enough to fill its memory."""
    with torch.no_grad():
        _, state = encoder(random_mels(1, 40), encoder.initial_state(1))
    with counting() as counter:
        encoder(random_mels(1, num_frames), state)
    return counter.get_total_flops()


@pytest.mark.parametrize("kind", ENCODER_KINDS)
def test_a_step_takes_the_operations_that_were_counted(kind: str) -> None:
    encoder = toy_encoder(kind)
    for module in encoder.modules():
        if isinstance(module, Arbitrator):
            module.fix(True)
    assert counted_step(encoder, 4) == encoder.flops(4)


@pytest.mark.parametrize("seed", range(4))
def test_what_an_amortised_step_skips_torch_does_not_count(seed: int) -> None:
    encoder = toy_encoder("amortised")
    torch.manual_seed(seed)
    for module in encoder.modules():
        if isinstance(module, Arbitrator):
            torch.nn.init.normal_(module.logits.weight)
    with torch.no_grad():
        _, state = encoder(random_mels(1, 40), encoder.initial_state(1))
        _, _, share = encoder.forward_counted(random_mels(1, 4), state)
    assert share is not None
    assert share.item() < 1
    assert counted_step(encoder, 4) == pytest.approx(share.item() * encoder.flops(4), rel=1e-6)


@pytest.mark.parametrize("kind", ENCODER_KINDS)
def test_operations_grow_with_the_frames_alone(kind: str) -> None:
    encoder = build_encoder(EncoderConfig(kind=kind), num_mels=80)
    assert encoder.flops_per_s == 25 * encoder.flops(4)
    assert 0 < encoder.least_flops_per_s <= encoder.flops_per_s
