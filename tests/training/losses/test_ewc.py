"""Elastic weight consolidation against per-example gradients, finite differences and the balance it must settle in."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

from training.losses.ewc import Anchor, diagonal_fisher

INPUTS = torch.randn(6, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
LABELS = torch.arange(6) % 3


def classifier() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()


def loss_of(model: nn.Module) -> Tensor:
    return F.cross_entropy(model(INPUTS), LABELS)


def trained(anchor_strength: float | None, *, importance: float = 1.0, steps: int = 20) -> nn.Module:
    model = classifier()
    parameters = dict(model.named_parameters())
    fisher = {name: torch.full_like(value, importance) for name, value in parameters.items()}
    anchor = None if anchor_strength is None else Anchor(parameters, strength=anchor_strength, importance=fisher)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.0)
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(model).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if anchor:
            anchor.pull(optimizer)
    return model


def distance(one: nn.Module, other: nn.Module) -> float:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max(float((left - right).detach().abs().max()) for left, right in pairs)


def test_fisher_is_the_mean_of_squared_per_example_gradients() -> None:
    model = classifier()
    parameters = dict(model.named_parameters())

    def loss(weights: dict[str, Tensor], spoken: Tensor, label: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(model, weights, (spoken,)), label)

    weights = {name: value.detach() for name, value in parameters.items()}
    each = vmap(grad(loss), in_dims=(None, 0, 0))(weights, INPUTS, LABELS)
    singles = (F.cross_entropy(model(one[None]), label[None]) for one, label in zip(INPUTS, LABELS, strict=True))
    found = diagonal_fisher(parameters, singles)
    for name, gradients in each.items():
        torch.testing.assert_close(found[name], gradients.square().mean(0))


def test_fisher_of_a_weight_no_loss_depends_on_is_zero() -> None:
    used, unused = torch.ones(2, requires_grad=True), torch.ones(3, requires_grad=True)
    found = diagonal_fisher({"used": used, "unused": unused}, [used.sum()])
    assert found["unused"].tolist() == [0, 0, 0]
    assert found["used"].tolist() == [1, 1]


def test_fisher_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="needs an utterance"):
        diagonal_fisher({"weight": torch.ones(1, requires_grad=True)}, [])


@pytest.mark.parametrize("strength", [0.0, 3.0, float("inf")])
def test_the_penalty_is_zero_at_the_start_and_grows_with_the_square_of_what_moved(strength: float) -> None:
    weight = torch.randn(5, dtype=torch.float64, requires_grad=True)
    importance, moved = torch.rand(2, 5, dtype=torch.float64)
    anchor = Anchor({"weight": weight}, strength=strength, importance={"weight": importance})
    assert anchor.penalty() == 0
    with torch.no_grad():
        weight.add_(moved)
    assert anchor.penalty() == pytest.approx(strength / 2 * float(sum(importance * moved**2)))


def test_no_strength_is_plain_fine_tuning_to_the_bit() -> None:
    assert distance(trained(0.0), trained(None)) == 0


def test_an_infinite_strength_leaves_every_weight_where_it_was() -> None:
    assert distance(trained(float("inf")), classifier()) == 0
    assert distance(trained(1e12), classifier()) < 1e-6


def test_an_infinite_strength_asks_nothing_of_weights_of_no_importance() -> None:
    assert distance(trained(float("inf"), importance=0.0), trained(None)) == 0


def test_the_stronger_the_closer() -> None:
    moved = [distance(trained(strength), classifier()) for strength in (0.0, 0.01, 0.1, 1.0)]
    assert moved == sorted(moved, reverse=True)
    assert len(set(moved)) == len(moved)


def test_training_settles_where_loss_and_penalty_are_in_balance() -> None:
    curvature, best, strength = torch.tensor([4.0, 1.0, 0.25]), torch.tensor([1.0, -2.0, 3.0]), 0.5
    importance = torch.tensor([2.0, 0.0, 8.0])
    weight = nn.Parameter(torch.zeros(3))
    anchor = Anchor({"weight": weight}, strength=strength, importance={"weight": importance})
    optimizer = torch.optim.AdamW([weight], lr=0.02, weight_decay=0.0)
    for step in range(1000):
        optimizer.param_groups[0]["lr"] = 0.02 * (1 - step / 1000)
        optimizer.zero_grad()
        (curvature / 2 * (weight - best) ** 2).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        anchor.pull(optimizer)
    balance = curvature * best / (curvature + strength * importance)
    torch.testing.assert_close(weight.detach(), balance, rtol=0.02, atol=0.01)
