"""The metric losses against their formulas written as loops, their gradients, and weights on their pairs."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from training.losses.aam_softmax import AamSoftmax, with_margin
from training.losses.prototypical import AngularPrototypical, GeneralisedEndToEnd, PrototypicalScores
from training.losses.speaker_loss import SpeakerLossConfig, make_speaker_loss
from training.losses.speaker_scores import PairForm, SpeakerScores

Kind = type[AngularPrototypical] | type[GeneralisedEndToEnd]
KINDS: list[Kind] = [AngularPrototypical, GeneralisedEndToEnd]
SIZES = st.tuples(st.integers(2, 4), st.integers(2, 4), st.integers(0, 99))


def embeddings_of(num_speakers: int, utterances: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(num_speakers, utterances, 5, generator=generator, dtype=torch.float64)


def scores_of(loss: PrototypicalScores, embeddings: Tensor) -> SpeakerScores:
    scores: SpeakerScores = loss.double()(embeddings, torch.arange(len(embeddings)))
    return scores


def similarity(query: Tensor, members: list[Tensor]) -> float:
    mean = torch.stack([F.normalize(member, dim=0) for member in members]).mean(0)
    return 10 * float(F.cosine_similarity(query, mean, dim=0)) - 5


def softmax_loss(scores: list[float], own: int) -> float:
    return math.log(sum(math.exp(score - scores[own]) for score in scores))


@settings(max_examples=15)
@given(SIZES)
def test_angular_prototypical_is_its_formula(sizes: tuple[int, int, int]) -> None:
    given_ = embeddings_of(*sizes)
    expected = [
        softmax_loss([similarity(speaker[0], list(other[1:])) for other in given_], own)
        for own, speaker in enumerate(given_)
    ]
    assert scores_of(AngularPrototypical(), given_).losses().tolist() == pytest.approx(expected)


@settings(max_examples=15)
@given(SIZES)
def test_ge2e_leaves_each_query_out_of_its_own_prototype(sizes: tuple[int, int, int]) -> None:
    given_ = embeddings_of(*sizes)
    expected = []
    for own, speaker in enumerate(given_):
        for number, query in enumerate(speaker):
            others = [x for index, x in enumerate(speaker) if index != number]
            rows = [similarity(query, others if k == own else list(given_[k])) for k in range(len(given_))]
            expected.append(softmax_loss(rows, own))
    assert scores_of(GeneralisedEndToEnd(), given_).losses().tolist() == pytest.approx(expected)


@pytest.mark.parametrize("kind", KINDS)
def test_binary_losses_take_each_pair_by_itself(kind: Kind) -> None:
    scores = scores_of(kind("binary"), embeddings_of(3, 3))
    for query, own in enumerate(scores.own.tolist()):
        for column, logit in enumerate(scores.logits[query].tolist()):
            right = 1 / (1 + math.exp(-logit if column == own else logit))
            assert scores.pair_losses()[query, column].item() == pytest.approx(-math.log(right))
    torch.testing.assert_close(scores.losses(), scores.pair_losses().mean(1))


@settings(max_examples=15)
@given(st.integers(1, 3), st.integers(0, 99))
def test_aam_softmax_is_its_formula(centres: int, seed: int) -> None:
    torch.manual_seed(seed)
    loss = AamSoftmax(5, 4, centres=centres, margin=0.3, scale=20).double()
    given_, speakers = embeddings_of(2, 3, seed), torch.tensor([3, 1])
    expected = []
    for speaker, utterances in zip(speakers.tolist(), given_, strict=True):
        for query in utterances:
            cosines = [max(F.cosine_similarity(query[None], of.detach()).tolist()) for of in loss.centres]
            expected.append(
                softmax_loss([20 * _margin(cosine, k == speaker) for k, cosine in enumerate(cosines)], speaker)
            )
    assert loss(given_, speakers).losses().tolist() == pytest.approx(expected, rel=1e-5)


def _margin(cosine: float, is_own: bool) -> float:
    if not is_own:
        return cosine
    turned = math.acos(cosine) + 0.3
    return math.cos(turned) if turned < math.pi else cosine - 0.3 * math.sin(0.3)


@given(st.floats(0, 1.5))
def test_the_margin_never_turns_the_order_of_angles(margin: float) -> None:
    turned = with_margin(torch.linspace(-1, 1, 99, dtype=torch.float64), margin)
    assert (turned.diff() > 0).all()


@pytest.mark.parametrize("loss", [AngularPrototypical("binary"), GeneralisedEndToEnd(), AamSoftmax(5, 3, centres=2)])
def test_gradients_are_those_of_finite_differences(loss: nn.Module) -> None:
    loss, speakers = loss.double(), torch.arange(3)
    given_ = embeddings_of(3, 3, seed=4).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, speakers).losses(), given_)


def test_the_scale_stays_positive_after_a_step_far_past_zero() -> None:
    loss = GeneralisedEndToEnd()
    optimizer = torch.optim.SGD(loss.parameters(), lr=30.0)
    scores_of(loss, embeddings_of(2, 2)).losses().sum().backward()  # type: ignore[no-untyped-call]
    gradient = loss.log_scale.grad
    assert gradient is not None
    assert 10 - 30 * gradient / 10 < 0
    optimizer.step()
    assert loss.log_scale.exp() > 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["softmax", "binary"])
def test_equal_pair_weights_change_nothing(kind: Kind, form: PairForm) -> None:
    scores = scores_of(kind(form), embeddings_of(4, 3))
    weighted = scores.pair_weighted_loss(torch.full_like(scores.logits, 0.3))
    torch.testing.assert_close(weighted, scores.losses().mean())


def test_a_heavy_impostor_pair_raises_the_loss_and_its_push() -> None:
    given_ = embeddings_of(3, 2).requires_grad_()
    scores = scores_of(AngularPrototypical(), given_)
    weights = torch.ones_like(scores.logits)
    weights[0, 1] = 3.0
    heavy = scores.pair_weighted_loss(weights)
    (push,) = torch.autograd.grad(heavy, scores.logits, retain_graph=True)
    (plain,) = torch.autograd.grad(scores.losses().mean(), scores.logits)
    assert push[0, 1] > plain[0, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_the_weight_of_a_pair_is_exactly_the_sum_of_its_sides(kind: Kind) -> None:
    values = torch.rand(3, 3, dtype=torch.float64)
    scores = scores_of(kind(), embeddings_of(3, 3))
    sums = scores.pair_sums(values)
    for row, (own, asking) in enumerate(zip(scores.own.tolist(), scores.asking.tolist(), strict=True)):
        for column in range(3):
            left_out = asking % 3 if kind is AngularPrototypical or column == own else None
            members = [values[column, m] for m in range(3) if m != left_out]
            assert float(sums[row, column]) == pytest.approx(
                float(values.flatten()[asking] + sum(members) / len(members))
            )


def test_pairs_of_two_utterances_weigh_just_these_two() -> None:
    values = torch.tensor([[1.0, 2.0], [4.0, 8.0]])
    sums = scores_of(AngularPrototypical(), embeddings_of(2, 2)).pair_sums(values)
    assert sums.tolist() == [[1 + 2, 1 + 8], [4 + 2, 4 + 8]]


def test_class_centres_have_no_pair_weights() -> None:
    scores = AamSoftmax(5, 3)(embeddings_of(2, 2).float(), torch.arange(2))
    with pytest.raises(ValueError, match="class centres are no utterances"):
        scores.pair_sums(torch.ones(2, 2))
    with pytest.raises(ValueError, match="no pairs of utterances"):
        SpeakerLossConfig(kind="aam-softmax", pairs="binary")


def test_one_utterance_makes_no_prototype() -> None:
    with pytest.raises(ValueError, match="need two utterances"):
        AngularPrototypical()(embeddings_of(3, 1).float(), torch.arange(3))


@pytest.mark.parametrize("kind", ["angular-prototypical", "ge2e", "aam-softmax"])
def test_every_kind_learns_to_tell_speakers_apart(kind: str) -> None:
    torch.manual_seed(0)
    loss = make_speaker_loss(SpeakerLossConfig(kind=kind), width=5, num_speakers=4)  # type: ignore[arg-type]
    given_ = embeddings_of(4, 3).float().requires_grad_()
    optimizer = torch.optim.Adam([given_, *loss.parameters()], lr=0.1)
    first = loss(given_, torch.arange(4)).losses().mean()
    for _ in range(60):
        optimizer.zero_grad()
        last = loss(given_, torch.arange(4)).losses().mean()
        last.backward()
        optimizer.step()
    assert last < 0.3 * first
