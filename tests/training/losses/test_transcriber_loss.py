"""The weighted sum, on a toy model's output, against its terms computed one by one."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.training.losses.lattices import dense_arcs
from training.losses.arc_biases import AlignmentBand
from training.losses.auxiliary import activity_loss, compute_loss, ctc_loss, frame_label_loss, separation_loss
from training.losses.transcriber_loss import LossConfig, LossTerms, transcriber_loss
from training.losses.transducer import TransducerLossConfig, transducer_loss_of_arcs

WIDTH, VOCABULARY, TERMS = 6, 7, ("transducer", "ctc", "activity", "separation", "frames", "compute")
EVERY_TERM = LossConfig(
    transducer=1.0,
    ctc=0.5,
    activity=0.25,
    separation=2.0,
    frames=0.125,
    compute=4.0,
    compute_target=0.2,
    transducer_terms=TransducerLossConfig(fastemit=0, band=AlignmentBand(left_frames=2, right_frames=2)),
)


@dataclass(frozen=True)
class Output:
    masked: Tensor
    frames: Tensor
    activity: Tensor
    ctc: Tensor | None
    compute_share: Tensor | None = None


@dataclass(frozen=True)
class Batch:
    mel_lengths: Tensor
    source_mels: Tensor
    targets: Tensor
    target_lengths: Tensor
    token_frames: Tensor
    activity: Tensor
    frame_labels: Tensor


class ToyJoint(nn.Module):
    """Frame and label embedding summed; counts the nodes it computes."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.output = nn.Linear(WIDTH, VOCABULARY)
        self.nodes = 0

    def forward(self, frames: Tensor, targets: Tensor) -> Tensor:
        labels = self.embedding(F.pad(targets.long(), (1, 0)))
        summed = frames.unsqueeze(2) + labels.unsqueeze(1)
        self.nodes += summed.shape[1] * summed.shape[2] * len(summed)
        return self.output(summed)  # type: ignore[no-any-return]


@pytest.fixture
def joint() -> ToyJoint:
    torch.manual_seed(1)
    return ToyJoint()


@pytest.fixture
def output() -> Output:
    torch.manual_seed(2)
    return Output(
        masked=torch.randn(2, 2, 22, 5, requires_grad=True),
        frames=torch.randn(2, 2, 6, WIDTH, requires_grad=True),
        activity=torch.randn(2, 2, 6, requires_grad=True),
        ctc=torch.randn(2, 2, 6, VOCABULARY, requires_grad=True),
        compute_share=torch.rand(2, 2, 6, requires_grad=True),
    )


@pytest.fixture
def batch() -> Batch:
    torch.manual_seed(3)
    return Batch(
        mel_lengths=torch.tensor([22, 13]),  # 6 and 4 encoder frames
        source_mels=torch.randn(2, 2, 22, 5),
        targets=torch.randint(1, VOCABULARY, (2, 2, 4), dtype=torch.int32),
        target_lengths=torch.tensor([[4, 0], [1, 2]], dtype=torch.int32),
        token_frames=torch.randint(0, 6, (2, 2, 4)).sort(-1).values,
        activity=torch.randint(0, 2, (2, 2, 6)),
        frame_labels=torch.randint(-1, VOCABULARY, (2, 2, 6)),
    )


def expected_terms(output: Output, batch: Batch, joint: ToyJoint) -> dict[str, Tensor]:
    lengths, target_lengths = torch.tensor([6, 6, 4, 4]), batch.target_lengths.flatten()
    targets = batch.targets.flatten(0, 1)
    assert output.ctc is not None
    ctc_logits = output.ctc.flatten(0, 1)
    assert output.compute_share is not None
    transducer = transducer_loss_of_arcs(
        dense_arcs(joint(output.frames.flatten(0, 1), targets), targets),
        targets,
        logit_lengths=lengths,
        target_lengths=target_lengths,
        token_frames=batch.token_frames.flatten(0, 1),
        config=EVERY_TERM.transducer_terms,
    )
    return {
        "transducer": transducer.sum() / 8,
        "ctc": ctc_loss(ctc_logits, targets, frame_lengths=lengths, target_lengths=target_lengths).sum() / 8,
        "activity": activity_loss(output.activity.flatten(0, 1), batch.activity.flatten(0, 1), lengths=lengths),
        "separation": separation_loss(
            output.masked.flatten(0, 1),
            batch.source_mels.flatten(0, 1),
            lengths=torch.tensor([22, 22, 13, 13]),
            floor=EVERY_TERM.separation_floor,
        ),
        "frames": frame_label_loss(
            ctc_logits, batch.frame_labels.flatten(0, 1), lengths=lengths, blank_weight=EVERY_TERM.blank_frame_weight
        ),
        "compute": compute_loss(output.compute_share.flatten(0, 1), lengths=lengths, target=EVERY_TERM.compute_target),
    }


def test_terms_are_those_of_the_losses_and_the_total_weighs_them(output: Output, batch: Batch, joint: ToyJoint) -> None:
    expected = expected_terms(output, batch, joint)
    terms = transcriber_loss(output, batch, joint_logits=joint, config=EVERY_TERM)
    for name, value in expected.items():
        torch.testing.assert_close(getattr(terms, name), value)
    total = sum(getattr(EVERY_TERM, name) * value.item() for name, value in expected.items())
    assert terms.total.item() == pytest.approx(total, rel=1e-5)


def test_gradients_are_those_of_the_terms(output: Output, batch: Batch, joint: ToyJoint) -> None:
    assert output.ctc is not None
    assert output.compute_share is not None
    leaves = [output.masked, output.frames, output.activity, output.ctc, output.compute_share, *joint.parameters()]
    total = sum(getattr(EVERY_TERM, name) * term for name, term in expected_terms(output, batch, joint).items())
    assert isinstance(total, Tensor)
    ours = transcriber_loss(output, batch, joint_logits=joint, config=EVERY_TERM).total
    for one, other in zip(torch.autograd.grad(ours, leaves), torch.autograd.grad(total, leaves), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_half_precision_in_the_model_leaves_the_sums_exact(output: Output, batch: Batch, joint: ToyJoint) -> None:
    assert output.ctc is not None
    assert output.compute_share is not None
    tensors = output.masked, output.frames, output.activity, output.ctc, output.compute_share
    half = Output(*(tensor.detach().bfloat16() for tensor in tensors))
    rounded = Output(*(tensor.detach().bfloat16().float() for tensor in tensors))

    def halved(frames: Tensor, targets: Tensor) -> Tensor:
        logits: Tensor = joint(frames.float(), targets)
        return logits.bfloat16()

    ours = transcriber_loss(half, batch, joint_logits=halved, config=EVERY_TERM)
    same = transcriber_loss(
        rounded, batch, joint_logits=lambda frames, targets: halved(frames, targets).float(), config=EVERY_TERM
    )
    assert ours.total.dtype == torch.float32
    assert ours.plain() == pytest.approx(same.plain(), rel=1e-5)


def test_the_joint_sees_no_padding(output: Output, batch: Batch, joint: ToyJoint) -> None:
    transcriber_loss(output, batch, joint_logits=joint, config=EVERY_TERM)
    assert joint.nodes == 6 * 5 + 6 * 1 + 4 * 2 + 4 * 3


@pytest.mark.parametrize("name", TERMS)
def test_a_term_of_weight_zero_is_neither_computed_nor_shown(
    name: str, output: Output, batch: Batch, joint: ToyJoint
) -> None:
    config = replace(EVERY_TERM, **{name: 0.0})  # type: ignore[arg-type]
    plain = transcriber_loss(output, batch, joint_logits=joint, config=config).plain()
    assert plain.keys() == {"total", *TERMS} - {name}
    assert (joint.nodes == 0) == (name == "transducer")


def test_masks_alone_suffice_for_the_separation_loss(output: Output, batch: Batch, joint: ToyJoint) -> None:
    nothing = torch.zeros(0)
    masks = Output(masked=output.masked, frames=nothing, activity=nothing, ctc=None)
    config = LossConfig(transducer=0, ctc=0, activity=0, separation=2.0)
    terms = transcriber_loss(masks, batch, joint_logits=joint, config=config)
    assert terms.separation is not None
    assert terms.total.item() == pytest.approx(2 * terms.separation.item())


def test_a_missing_head_is_named(output: Output, batch: Batch, joint: ToyJoint) -> None:
    headless = replace(output, ctc=None)
    with pytest.raises(ValueError, match="CTC head"):
        transcriber_loss(headless, batch, joint_logits=joint, config=EVERY_TERM)
    config = replace(EVERY_TERM, ctc=0, frames=0)
    assert isinstance(transcriber_loss(headless, batch, joint_logits=joint, config=config), LossTerms)


def test_an_encoder_that_skips_nothing_has_no_cost(output: Output, batch: Batch, joint: ToyJoint) -> None:
    with pytest.raises(ValueError, match="amortised"):
        transcriber_loss(replace(output, compute_share=None), batch, joint_logits=joint, config=EVERY_TERM)


def test_a_batch_of_silence_has_a_finite_loss(output: Output, batch: Batch, joint: ToyJoint) -> None:
    silent = replace(
        batch,
        targets=torch.zeros(2, 2, 0, dtype=torch.int32),
        target_lengths=torch.zeros(2, 2, dtype=torch.int32),
        token_frames=torch.zeros(2, 2, 0, dtype=torch.int32),
    )
    terms = transcriber_loss(output, silent, joint_logits=joint, config=EVERY_TERM)
    assert terms.total.isfinite()
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(terms.total, [*joint.output.parameters()]))
