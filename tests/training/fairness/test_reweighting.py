"""Adversarial reweighting: what the weights may and may not do, and whom they find."""

from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch import Tensor

from tests.training.fairness.batches import WIDTH, clusters, random_terms, scored
from training.fairness.adversary import Adversary
from training.fairness.regions import RegionConfig, RegionFeature
from training.fairness.reweighting import AdversarialReweighting, Form, ReweightingConfig, weighted_loss
from training.losses.speaker_scores import PairForm

FORMS: tuple[Form, ...] = get_args(Form)
AT_ONCE = ReweightingConfig(warmup_steps=0, rate=0.1, regions=RegionConfig(count=4, remembered=256), least_entropy=0.5)


def reweighting(form: Form, config: ReweightingConfig = AT_ONCE) -> AdversarialReweighting:
    torch.manual_seed(0)
    return AdversarialReweighting(form, WIDTH, config)


def opinionated(form: Form, config: ReweightingConfig = AT_ONCE) -> AdversarialReweighting:
    """Weights that differ."""
    method = reweighting(form, config).double()
    torch.nn.init.normal_(method.adversary.get_parameter("layers.weight"), generator=torch.Generator().manual_seed(1))
    return method


def learned_weights(method: AdversarialReweighting, embeddings: Tensor, steps: int = 60) -> Tensor:
    """(N,) mean weights of the speakers after so many looks at one batch."""
    terms = scored(embeddings)
    method.learn(terms)
    method.end_epoch()
    for _ in range(steps):
        method.learn(terms)
    return method.look(terms).weights.mean(1).detach()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("pairs", get_args(PairForm))
@pytest.mark.parametrize("all_ask", [False, True])
def test_an_adversary_without_opinion_changes_nothing(form: Form, pairs: PairForm, all_ask: bool) -> None:
    terms = random_terms(utterances=3, form=pairs, all_ask=all_ask)
    method = reweighting(form).double()
    torch.nn.init.constant_(method.adversary.get_parameter("layers.bias"), 1.3)
    loss = method.weigh(terms).loss
    torch.testing.assert_close(loss, terms.scores.losses().mean(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_no_gradient_reaches_the_embedder_through_the_weights(form: Form) -> None:
    terms, method = random_terms(), opinionated(form)
    weights = method.look(terms).weights.detach()
    assert float(weights.std()) > 0.05
    (ours,) = torch.autograd.grad(method.weigh(terms).loss, terms.embeddings)
    fixed = random_terms()
    (expected,) = torch.autograd.grad(weighted_loss(form, fixed.scores, weights), fixed.embeddings)
    torch.testing.assert_close(ours, expected)
    (none,) = torch.autograd.grad(method.look(terms).weights.sum(), terms.embeddings, allow_unused=True)
    assert none is None


@pytest.mark.parametrize("form", FORMS)
def test_the_embedder_s_step_leaves_the_adversary_alone_and_the_other_way_round(form: Form) -> None:
    terms, method = random_terms(), opinionated(form)
    method.weigh(terms).loss.backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is None for parameter in method.parameters())
    before = terms.embeddings.grad.clone()  # type: ignore[union-attr]
    method.learn(terms)
    torch.testing.assert_close(terms.embeddings.grad, before, rtol=0, atol=0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("pairs", get_args(PairForm))
def test_the_adversary_climbs_the_loss(form: Form, pairs: PairForm) -> None:
    terms, method = random_terms(form=pairs, all_ask=True), reweighting(form).double()
    gains = [method.learn(terms)["adversary_loss"] for _ in range(30)]
    assert gains[0] == pytest.approx(float(terms.scores.losses().mean().detach()))
    assert gains[-1] > gains[0]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("feature", get_args(RegionFeature))
def test_a_badly_served_minority_gains_weight(form: Form, feature: RegionFeature) -> None:
    if form == "pl" and feature == "none":
        pytest.skip("pseudo-labels are regions")
    config = replace(AT_ONCE, regions=replace(AT_ONCE.regions, feature=feature))
    weights = learned_weights(reweighting(form, config), clusters(hard=(0,))).view(4, -1).mean(1)
    assert float(weights[0]) > 1.1 * float(weights[1:].max())


def test_pseudo_labels_are_what_parts_pl_from_aps() -> None:
    given = clusters(hard=(0, 1), speakers=8)
    aps, pl = learned_weights(reweighting("aps"), given), learned_weights(reweighting("pl"), given)
    blind = replace(AT_ONCE, regions=replace(AT_ONCE.regions, feature="none"))
    torch.testing.assert_close(aps, learned_weights(reweighting("aps", blind), given), rtol=0, atol=0)
    assert float((aps - pl).abs().max()) > 0.05


def test_regions_show_a_linear_adversary_what_no_plane_parts() -> None:
    given = clusters(hard=(0, 1), speakers=8)
    blind = replace(AT_ONCE, regions=replace(AT_ONCE.regions, feature="none"))
    ratios = []
    for config in (AT_ONCE, blind):
        weights = learned_weights(reweighting("pw", config), given).view(4, -1).mean(1)
        ratios.append(float(weights[:2].mean() / weights[2:].mean()))
    assert ratios[0] > 1.2 * ratios[1], ratios


@pytest.mark.parametrize("form", FORMS)
def test_weights_are_uniform_until_the_warm_up_ends(form: Form) -> None:
    terms, method = random_terms(), opinionated(form, replace(AT_ONCE, warmup_steps=2))
    for warm in (False, False, True):
        assert bool(method.weigh(terms).weights.std() > 0.01) == warm
        method.learn(terms)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("pairs", get_args(PairForm))
def test_the_embedder_s_pass_backward_serves_the_adversary_as_one_of_its_own_would(form: Form, pairs: PairForm) -> None:
    config = replace(AT_ONCE, hidden_width=3)
    served, alone = reweighting(form, config).double(), reweighting(form, config).double()
    for seed in range(4):
        terms = random_terms(form=pairs, all_ask=True, seed=seed)
        served.weigh(terms).loss.backward()  # type: ignore[no-untyped-call]
        assert served.learn(terms) == pytest.approx(alone.learn(terms))
    torch.testing.assert_close(dict(served.named_parameters()), dict(alone.named_parameters()))


def test_climbing_is_the_adagrad_of_torch() -> None:
    ours, theirs = (Adversary(4, hidden_width=3).double() for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    peer = torch.optim.Adagrad(theirs.parameters(), lr=0.3, maximize=True)
    for _ in range(5):
        gradients = [torch.randn_like(parameter) for parameter in ours.parameters()]
        ours.climb(gradients, 0.3)
        for parameter, gradient in zip(theirs.parameters(), gradients, strict=True):
            parameter.grad = gradient
        peer.step()
    torch.testing.assert_close(list(ours.parameters()), list(theirs.parameters()))


def test_the_adversary_steps_as_seldom_as_it_is_told() -> None:
    terms, method = random_terms(), reweighting("pw", replace(AT_ONCE, every=3)).double()
    assert [bool(method.learn(terms)) for _ in range(6)] == [False, False, True] * 2


def test_guards_hold_however_sure_the_adversary_is() -> None:
    method = opinionated("aps", replace(AT_ONCE, largest_weight=1.5, least_entropy=0.98))
    with torch.no_grad():
        method.adversary.get_parameter("layers.weight").mul_(100)
    terms = random_terms(all_ask=True)
    figures = method.learn(terms)
    assert figures["weight_max"] <= 1.5 + 1e-9
    assert figures["weight_entropy"] >= 0.98 - 1e-9


@pytest.mark.parametrize("form", FORMS)
def test_its_state_is_all_in_the_state_dict(form: Form) -> None:
    batches = [scored(random_terms(seed=seed).embeddings.detach().float()) for seed in range(6)]
    whole, cut = reweighting(form), reweighting(form)
    for number, terms in enumerate(batches):
        for method in (whole, cut):
            method.learn(terms)
            if number % 2:
                method.end_epoch()
        cut, saved = reweighting(form), cut.state_dict()
        cut.load_state_dict(saved)
    last = batches[0]
    torch.testing.assert_close(cut.look(last).weights, whole.look(last).weights, rtol=0, atol=0)


def test_pseudo_labels_need_regions() -> None:
    with pytest.raises(ValueError, match=r"regions\.feature must not be 'none'"):
        reweighting("pl", replace(AT_ONCE, regions=RegionConfig(feature="none")))
