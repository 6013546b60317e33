"""The baselines against their formulas, and what each may see."""

import inspect
from dataclasses import fields
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from svc.models.group_branches import GroupBranches
from tests.training.fairness.batches import WIDTH, random_terms, scored
from training.fairness.group_heads import GroupAdaptedFusion, MultiTaskHead
from training.fairness.methods import NEED_GROUPS, FairnessConfig, Method, make_weighting
from training.fairness.robust import CvarDro, GroupDro, VRex
from training.fairness.weighting import UNKNOWN, BatchTerms, BlindWeighting, GroupWeighting, Uniform, Weighed, Weighting

GROUPS = torch.tensor([0, 0, 0, 0, 1, UNKNOWN])[:, None].expand(6, 2)
METHODS = [name for arg in get_args(Method) for name in (get_args(arg) or (arg,))]


def weighed(method: Weighting, terms: BatchTerms) -> Weighed:
    if isinstance(method, GroupWeighting):
        return method.weigh_groups(terms, GROUPS)
    assert isinstance(method, BlindWeighting)
    return method.weigh(terms)


def losses_of(terms: BatchTerms) -> list[float]:
    return terms.scores.losses().tolist()


def made(method: str) -> Weighting:
    config = FairnessConfig(method=method)  # type: ignore[arg-type]
    return make_weighting(config, width=WIDTH, num_groups=2).double()


@pytest.mark.parametrize("name", METHODS)
def test_every_method_trains_the_embedder(name: str) -> None:
    terms = random_terms()
    outcome = weighed(made(name), terms)
    (gradient,) = torch.autograd.grad(outcome.loss, terms.embeddings)
    assert gradient.isfinite().all()
    assert gradient.any()
    assert not outcome.weights.requires_grad
    assert float(outcome.weights.mean()) == pytest.approx(1)


@pytest.mark.parametrize("name", METHODS)
def test_labels_reach_only_methods_that_ask_for_them(name: str) -> None:
    method = made(name)
    takes_groups = isinstance(method, GroupWeighting)
    assert takes_groups == (name in NEED_GROUPS and name != "group-balanced")
    if not takes_groups:
        assert isinstance(method, BlindWeighting)
        assert list(inspect.signature(method.weigh).parameters) == ["terms"]
    assert not [part.name for part in fields(BatchTerms) if "group" in part.name]


@pytest.mark.parametrize("method", [Uniform(), CvarDro(0.4), GroupDro(2, 0.5), VRex(2, 2.0)])
def test_the_weights_told_are_those_of_the_gradient(method: Weighting) -> None:
    terms = random_terms(seed=3)
    outcome = weighed(method, terms)
    (ours,) = torch.autograd.grad(outcome.loss, terms.scores.logits, retain_graph=True)
    (each,) = torch.autograd.grad(terms.scores.losses().sum(), terms.scores.logits)
    torch.testing.assert_close(ours, each * outcome.weights[:, None] / len(each))


@settings(max_examples=20)
@given(st.floats(0.01, 1), st.integers(0, 99))
def test_cvar_is_the_mean_of_the_worst_share(share: float, seed: int) -> None:
    terms = random_terms(seed=seed)
    left, total = share * 6, 0.0
    for loss in sorted(losses_of(terms), reverse=True):
        total += loss * min(1.0, left)
        left = max(0.0, left - 1)
    assert CvarDro(share).weigh(terms).loss.item() == pytest.approx(total / (share * 6))


def test_group_dro_weighs_groups_by_all_their_losses_so_far() -> None:
    method, sums = GroupDro(2, 0.5), [0.0, 0.0, 0.0]
    for seed in range(3):
        losses = losses_of(terms := random_terms(seed=seed))
        means = [sum(losses[:4]) / 4, losses[4], losses[5]]
        sums = [total + 0.5 * mean for total, mean in zip(sums, means, strict=True)]
        weights = torch.tensor(sums).softmax(0).tolist()
        expected = sum(weight * mean for weight, mean in zip(weights, means, strict=True))
        assert method.weigh_groups(terms, GROUPS).loss.item() == pytest.approx(expected, rel=1e-5)


def test_group_dro_copes_with_a_batch_that_lacks_a_group() -> None:
    method, terms = GroupDro(5, 0.5), random_terms()
    loss = method.weigh_groups(terms, torch.full((6, 2), 3)).loss
    torch.testing.assert_close(loss, terms.scores.losses().mean())


def test_group_dro_forgets_a_batch_that_is_not_finite() -> None:
    method, embeddings = GroupDro(2, 0.5), torch.full((6, 2, WIDTH), torch.nan, dtype=torch.float64)
    method.weigh_groups(random_terms(), GROUPS)
    before = method.log_weights.clone()
    method.weigh_groups(scored(embeddings), GROUPS)
    torch.testing.assert_close(method.log_weights, before)


def test_v_rex_adds_the_variance_over_groups() -> None:
    losses = losses_of(terms := random_terms())
    means = torch.tensor([sum(losses[:4]) / 4, losses[4], losses[5]])
    expected = means.mean() + 2 * ((means - means.mean()) ** 2).mean()
    assert VRex(2, 2.0).weigh_groups(terms, GROUPS).loss.item() == pytest.approx(float(expected), rel=1e-5)


def test_the_head_learns_from_known_groups_alone() -> None:
    method, terms = MultiTaskHead(2, WIDTH, 0.5).double(), random_terms()
    logits = method.head(F.normalize(terms.embeddings, dim=-1))[:5].flatten(0, 1)
    expected = terms.scores.losses().mean() + 0.5 * F.cross_entropy(logits, GROUPS[:5].flatten())
    torch.testing.assert_close(method.weigh_groups(terms, GROUPS).loss, expected)
    nobody = method.weigh_groups(terms, torch.full((6, 2), UNKNOWN)).loss
    torch.testing.assert_close(nobody, terms.scores.losses().mean())


def test_the_cosine_of_fused_embeddings_is_the_mean_of_the_branches_cosines() -> None:
    torch.manual_seed(0)
    branches = GroupBranches(2, WIDTH)
    for parameter in branches.parameters():
        torch.nn.init.normal_(parameter)
    one, other = torch.randn(2, WIDTH)
    cosines = F.cosine_similarity(branches.parts(one), branches.parts(other), dim=-1)
    expected = (branches.share_logits.softmax(0) * cosines).sum()
    torch.testing.assert_close(branches(one) @ branches(other), expected)


def gradient_of_branches(groups: Tensor) -> list[bool]:
    method = GroupAdaptedFusion(2, WIDTH)
    method.weigh_groups(scored(torch.randn(6, 2, WIDTH)), groups).loss.backward()  # type: ignore[no-untyped-call]
    gradients = [parameter.grad for name, parameter in method.branches.named_parameters() if "weight" in name]
    return [gradient is not None and bool(gradient.any()) for gradient in gradients]


def test_a_branch_learns_from_its_own_group() -> None:
    assert gradient_of_branches(torch.zeros(6, 2, dtype=torch.long)) == [True, False]
    assert gradient_of_branches(torch.full((6, 2), UNKNOWN)) == [False, False]


def test_an_untrained_fusion_scores_as_the_plain_embedding() -> None:
    one, other = torch.randn(2, WIDTH)
    branches = GroupBranches(3, WIDTH)
    torch.testing.assert_close(branches(one) @ branches(other), F.cosine_similarity(one, other, dim=0))
