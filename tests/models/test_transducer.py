"""Predictor and joint: one by one = at once, and the joint against its formula."""

import pytest
import torch

from svc.models.encoder import stack_states
from svc.models.transducer import PREDICTOR_KINDS, Joint, Predictor, PredictorConfig
from svc.units import BLANK


def toy(kind: str, context_labels: int = 2) -> Predictor:
    torch.manual_seed(0)
    return Predictor(PredictorConfig(kind=kind, width=6, context_labels=context_labels), 9).eval()


every_kind = pytest.mark.parametrize("kind", PREDICTOR_KINDS)


@every_kind
@pytest.mark.parametrize("context_labels", [1, 2, 3])
def test_labels_one_by_one_equal_labels_at_once(kind: str, context_labels: int) -> None:
    predictor, labels = toy(kind, context_labels), torch.randint(0, 9, (3, 7))
    with torch.inference_mode():
        whole, _ = predictor(labels, predictor.initial_state(3))
        state, parts = predictor.initial_state(3), []
        for label in torch.split(labels, 1, dim=1):
            part, state = predictor(label, state)
            parts.append(part)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=1e-5, rtol=1e-4)


@every_kind
def test_sequences_do_not_see_each_other(kind: str) -> None:
    predictor, labels = toy(kind), torch.randint(0, 9, (3, 5))
    states = [predictor.initial_state(1) for _ in labels]
    with torch.inference_mode():
        together, _ = predictor(labels, stack_states(states))
        alone = [predictor(one[None], state)[0] for one, state in zip(labels, states, strict=True)]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-4)


def test_the_context_predictor_forgets_what_lies_further_back() -> None:
    predictor = toy("context")
    labels = torch.tensor([[3, 4, 5, 6], [8, BLANK, 5, 6]])
    hidden, _ = predictor(labels, predictor.initial_state(2))
    torch.testing.assert_close(hidden[0, -1], hidden[1, -1])
    assert not torch.allclose(hidden[0, -2], hidden[1, -2])


def test_the_joint_is_its_formula_in_every_cell() -> None:
    torch.manual_seed(0)
    joint = Joint(5, 4, 6, 9)
    frames, labels = torch.randn(2, 3, 4), torch.randn(2, 2, 6)
    logits = joint(frames, labels)
    assert logits.shape == (2, 3, 2, 9)
    cell = joint.output(torch.tanh(joint.from_frames(frames[1, 2]) + joint.from_labels(labels[1, 1])))
    torch.testing.assert_close(logits[1, 2, 1], cell)


def test_the_joint_lets_gradients_through() -> None:
    frames, labels = torch.randn(2, 3, 4, requires_grad=True), torch.randn(2, 2, 6, requires_grad=True)
    Joint(5, 4, 6, 9)(frames, labels).sum().backward()
    assert frames.grad is not None
    assert labels.grad is not None


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="predictor kind"):
        PredictorConfig(kind="gru")


@pytest.mark.parametrize("kind", PREDICTOR_KINDS)
def test_dropped_labels_are_seen_as_blanks_and_only_in_training(kind: str) -> None:
    predictor = Predictor(PredictorConfig(kind=kind, width=6, label_dropout=1 - 1e-9), 9)
    labels, state = torch.randint(1, 9, (2, 5)), predictor.initial_state(2)
    blanks = predictor.eval()(torch.zeros_like(labels), state)[0]
    torch.testing.assert_close(predictor.train()(labels, state)[0], blanks)
    assert not torch.allclose(predictor.eval()(labels, state)[0], blanks)
