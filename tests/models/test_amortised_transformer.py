"""The amortised transformer: skipping equals masking, skipped work is not done, and the cost is that of the work."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from svc.models.amortised_transformer import (
    COMPUTE,
    AmortisedBlock,
    AmortisedTransformer,
    AmortisedTransformerConfig,
    Arbitrator,
)
from svc.models.attention import Band, CachedMemory
from svc.models.chunked_transformer import ChunkedTransformer
from tests.models.toy_transcriber import AMORTISED, NUM_MELS, TRANSFORMER, random_mels


def toy(open_logit: float = 0.0) -> AmortisedTransformer:
    """With gates that are open at a share of frames that grows with `open_logit`."""
    torch.manual_seed(0)
    encoder = AmortisedTransformer(AMORTISED, NUM_MELS).eval()
    for gate in gates_of(encoder):
        torch.nn.init.normal_(gate.logits.weight)
        gate.logits.bias.data = torch.tensor([0.0, open_logit])
    return encoder


def gates_of(encoder: AmortisedTransformer) -> list[Arbitrator]:
    return [module for module in encoder.modules() if isinstance(module, Arbitrator)]


def masked(encoder: AmortisedTransformer) -> AmortisedTransformer:
    twin = copy.deepcopy(encoder)
    twin.skips = False
    return twin


class RowCounter:
    """Counts the rows that go through the layers that may be skipped."""

    def __init__(self, encoder: AmortisedTransformer) -> None:
        self.rows = 0
        self.handles: list[RemovableHandle] = []
        for block in encoder.each_amortised():
            for layer in (block.query, block.out, block.up, block.down):
                self.handles.append(layer.register_forward_pre_hook(self._count))

    def _count(self, _module: torch.nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.rows += inputs[0].shape[:-1].numel()


def rows_computed(encoder: AmortisedTransformer, mels: Tensor, *, live: bool = False) -> int:
    """Of a whole pass, or of live streams that step together, a frame of 40 ms at a time."""
    counter = RowCounter(encoder)
    with torch.inference_mode():
        if live:
            streams = [encoder.open_stream(1) for _ in mels]
            for piece in torch.split(mels, 4, dim=1):
                _, streams = encoder.step_streams(piece, streams)
        else:
            encoder(mels, encoder.initial_state(len(mels)))
    for handle in counter.handles:
        handle.remove()
    return counter.rows


# Frames of 40 ms: short of the left context of 3, and past it, where a band runs in several blocks.
@pytest.mark.parametrize("num_frames", [1, 2, 7, 30])
@pytest.mark.parametrize("open_logit", [-9.0, -2.0, 0.0, 2.0, 9.0])
def test_skipping_equals_masking(num_frames: int, open_logit: float) -> None:
    encoder, mels = toy(open_logit), random_mels(3, 4 * num_frames)
    with torch.inference_mode():
        skipped, state, share = encoder.forward_counted(mels, encoder.initial_state(3))
        dense, dense_state, dense_share = masked(encoder).forward_counted(mels, encoder.initial_state(3))
    torch.testing.assert_close(skipped, dense, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(state, dense_state, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(share, dense_share)


@settings(max_examples=12)
@given(chunks=st.lists(st.integers(1, 8), min_size=1, max_size=6), open_logit=st.sampled_from([-3.0, 0.0, 3.0]))
def test_live_streams_skip_what_a_masked_pass_masks(chunks: list[int], open_logit: float) -> None:
    encoder, mels = toy(open_logit), random_mels(4, 4 * sum(chunks))
    streams, pieces = [encoder.open_stream(2) for _ in range(2)], []
    with torch.inference_mode():
        expected, _ = masked(encoder)(mels, encoder.initial_state(4))
        for piece in torch.split(mels, [4 * chunk for chunk in chunks], dim=1):
            frames, streams = encoder.step_streams(piece, streams)
            pieces.append(frames)
    torch.testing.assert_close(torch.cat(pieces, dim=1), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("live", [False, True])
def test_fewer_open_gates_are_fewer_rows_computed(live: bool) -> None:
    mels, all_rows = random_mels(2, 80), 2 * 40 * 4 * AMORTISED.num_layers
    rows = [rows_computed(toy(open_logit), mels, live=live) for open_logit in (-99.0, -4.0, 0.0, 4.0, 99.0)]
    assert rows[0] == 0
    assert rows == sorted(set(rows))
    assert rows[-1] == all_rows


@pytest.mark.parametrize("open_logit", [-4.0, 0.0, 4.0])
def test_the_share_is_that_of_the_rows_computed(open_logit: float) -> None:
    encoder, mels = toy(open_logit), random_mels(1, 80)
    with torch.inference_mode():
        _, _, share = encoder.forward_counted(mels, encoder.initial_state(1))
    assert share is not None
    opened = {"attention": 0, "mlp": 0}
    for block in encoder.each_amortised():
        block.query.register_forward_pre_hook(lambda _, x: opened.update(attention=opened["attention"] + len(x[0])))
        block.up.register_forward_pre_hook(lambda _, x: opened.update(mlp=opened["mlp"] + len(x[0])))
    with torch.inference_mode():
        encoder(mels, encoder.initial_state(1))
    block = encoder.each_amortised()[0]
    gated = opened["attention"] * block.query_flops(1, encoder.seen_frames) + opened["mlp"] * block.mlp_flops(1)
    spent = encoder.least_flops_per_s * 0.8 + gated  # 80 mel frames are 0.8 s
    assert share.mean().item() == pytest.approx(spent / (encoder.flops_per_s * 0.8), rel=1e-5)


def test_with_every_gate_open_it_is_the_transformer() -> None:
    encoder, mels = toy(99.0), random_mels(2, 40)
    plain = ChunkedTransformer(TRANSFORMER, NUM_MELS).eval()
    plain.load_state_dict({name: encoder.state_dict()[name] for name in plain.state_dict()})
    with torch.inference_mode():
        actual, _, share = encoder.forward_counted(mels, encoder.initial_state(2))
        expected, _ = plain(mels, plain.initial_state(2))
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-4)
    assert share is not None
    assert (share == 1).all()


def test_in_bfloat16_skipping_still_equals_masking() -> None:
    encoder, mels = toy(), random_mels(2, 24)
    encoder.narrow()
    with torch.inference_mode():
        skipped, _ = encoder(mels, encoder.initial_state(2))
        dense, _ = masked(encoder)(mels, encoder.initial_state(2))
    torch.testing.assert_close(skipped, dense, atol=0.05, rtol=0.05)


def test_a_skipped_frame_is_still_attended_to() -> None:
    encoder = toy(99.0)
    block, hidden = encoder.each_amortised()[0], torch.randn(1, 4, 16)
    other = hidden.clone()
    other[:, 0, 0] += 1
    gates = torch.tensor([[0, 0, 1, 1]])
    block.attention_gate.forward = lambda normed: gates.to(normed)  # type: ignore[method-assign]
    before, after = (attention_of(encoder, block, x) for x in (hidden, other))
    assert not torch.allclose(before[:, 2:], after[:, 2:], atol=1e-4)


def attention_of(encoder: AmortisedTransformer, block: AmortisedBlock, hidden: Tensor) -> Tensor:
    """The block alone on frames of 20 ms, nothing heard before."""
    caches = encoder.initial_state(1)[4:]
    memory = CachedMemory(caches, Band.over(4, torch.zeros(1, dtype=torch.long), 6), AMORTISED.num_heads)
    with torch.inference_mode():
        return block.gated(hidden, memory, 0, skipping=True)[0]


def test_arbitrators_learn_from_the_cost_and_from_what_comes_out() -> None:
    encoder = toy().train()
    frames, _, share = encoder.forward_counted(random_mels(2, 40), encoder.initial_state(2))
    assert share is not None
    for loss in (share.mean(), (frames * torch.randn_like(frames)).sum()):
        encoder.zero_grad()
        loss.backward(retain_graph=True)  # type: ignore[no-untyped-call]
        for gate in gates_of(encoder):
            assert gate.logits.weight.grad is not None
            assert gate.logits.weight.grad.abs().sum() > 0


def test_a_step_down_the_cost_shuts_gates() -> None:
    encoder, mels = toy(), random_mels(2, 80)
    before = rows_computed(encoder, mels)
    optimizer = torch.optim.SGD(encoder.parameters(), lr=1.0)
    for _ in range(20):
        optimizer.zero_grad()
        _, _, share = encoder.train().forward_counted(mels, encoder.initial_state(2))
        assert share is not None
        share.mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert rows_computed(encoder.eval(), mels) < before / 2


def test_training_samples_gates_as_often_as_they_are_likely() -> None:
    torch.manual_seed(0)
    gate = Arbitrator(AmortisedTransformerConfig(block_width=12, open_logit=1.0)).train()
    torch.nn.init.zeros_(gate.logits.weight)
    share = gate(torch.zeros(1, 4000, 12)).mean().item()
    assert share == pytest.approx(torch.tensor([0.0, 1.0]).softmax(0)[COMPUTE].item(), abs=0.03)


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="temperature"):
        AmortisedTransformerConfig(temperature=0)
    with pytest.raises(ValueError, match="multiple"):
        AmortisedTransformerConfig(num_heads=5)
