"""The verifier's trainer on synthetic talkers: resumed = uninterrupted, two processes = one, labels stay away."""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from svc.errors import ArtifactError, InvalidRequestError
from svc.models.embedder import CamPlusPlusConfig
from svc.models.embedder_shape import EcapaConfig
from tests.training.fairness.test_baselines import METHODS
from tests.training.processes import on_processes
from tests.training.toy_embedder_run import RECIPE, toy_data, trainer_at
from training.data.speaker_batches import CachedFeatures, SpeakerBatch
from training.embedder_data import EmbedderData, Validation
from training.embedder_recipe import EmbedderRecipe, SpeakerDataConfig, read_recipe
from training.embedder_validation import validation_figures
from training.fairness.methods import FairnessConfig
from training.losses.speaker_loss import ScoreEmbeddings, SpeakerLossConfig
from training.metrics.verification import equal_error_rate
from training.skipped_steps import MOST_SKIPPED
from training.trained_embedder import EmbedderConfig, Trains

CONFIGS = Path(__file__).parents[2] / "training/configs/verifier"


def weights_after(recipe: EmbedderRecipe, out: Path, data: EmbedderData | None = None) -> dict[str, Tensor]:
    trainer = trainer_at(recipe, out, data=data)
    trainer.start()
    trainer.run(None)
    return trainer.parts.state_dict()


def assert_same_bits(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        if isinstance(value, Tensor):
            torch.testing.assert_close(other[name], value, rtol=0, atol=0, msg=name)


@pytest.mark.parametrize("steps", [1, 3])
def test_a_resumed_run_ends_with_the_same_bits(tmp_path: Path, steps: int) -> None:
    cut = trainer_at(RECIPE, tmp_path / "cut")
    for _ in islice(cut.remaining_steps(), steps):
        pass
    cut.save()
    assert_same_bits(weights_after(RECIPE, tmp_path / "cut"), weights_after(RECIPE, tmp_path / "whole"))


@pytest.mark.parametrize(("method", "reached"), [("pw", False), ("cvar-dro", False), ("v-rex", True)])
def test_labels_change_nothing_but_what_is_told_them(tmp_path: Path, method: str, reached: bool) -> None:
    recipe = replace(RECIPE, fairness=replace(RECIPE.fairness, method=method))  # type: ignore[arg-type]
    runs = [weights_after(recipe, tmp_path / str(flip), toy_data(recipe, flip_groups=flip)) for flip in (False, True)]
    name = "embedder.network.xvector.dense.linear.weight"
    assert torch.equal(runs[0][name], runs[1][name]) != reached


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_one_line_of_the_recipe(tmp_path: Path, method: str) -> None:
    fairness = replace(RECIPE.fairness, method=method)  # type: ignore[arg-type]
    trainer = trainer_at(replace(RECIPE, steps=2, fairness=fairness), tmp_path)
    figures = list(trainer.remaining_steps())
    assert len(figures) == 2
    assert all(np.isfinite(list(each.values())).all() for each in figures)


@pytest.mark.parametrize("kind", get_args(ScoreEmbeddings))
def test_every_loss_trains(tmp_path: Path, kind: ScoreEmbeddings) -> None:
    fairness = replace(RECIPE.fairness, method="aps")
    recipe = replace(RECIPE, steps=2, fairness=fairness, loss=SpeakerLossConfig(kind=kind))
    assert all(each["gradient"] > 0 for each in trainer_at(recipe, tmp_path).remaining_steps())


def trained_parts(trains: Trains, out: Path) -> set[str]:
    """Of the network, which parts change in a step."""
    recipe = replace(RECIPE, steps=1, embedder=replace(RECIPE.embedder, trains=trains))
    trainer = trainer_at(recipe, out, data=cached_data() if trains == "head" else None)
    before = {name: value.detach().clone() for name, value in trainer.embedder.network.named_parameters()}
    _ = list(trainer.remaining_steps())
    after = dict(trainer.embedder.network.named_parameters())
    return {name for name, value in before.items() if not torch.equal(after[name], value)}


def cached_data() -> EmbedderData:
    """Random statistics of four cuts of each talker."""
    width = trainer_at(RECIPE, Path()).embedder.network.get_parameter("xvector.dense.linear.weight").shape[1]
    made = np.random.default_rng(0).standard_normal((8, 4, width)).astype(np.float32)
    sessions = np.tile([0, 0, 1, 1], (8, 1))
    return replace(toy_data(), examples=CachedFeatures(made, sessions, sessions, utterances=2, seed=0))


def test_the_recipe_says_how_much_of_the_network_is_trained(tmp_path: Path) -> None:
    whole, last, head = (trained_parts(trains, tmp_path) for trains in get_args(Trains))
    assert any(name.startswith("head.") for name in whole)
    assert head == {"xvector.dense.linear.weight"}
    assert head < last < whole
    assert {name.split(".")[1] for name in last} <= {"block3", "transit3", "out_nonlinear", "dense"}
    assert any("block3" in name for name in last)


def test_ecapa_trains_from_scratch(tmp_path: Path) -> None:
    sizes = EcapaConfig(channels=16, attention_channels=4, squeeze_channels=4, embedding_width=12)
    recipe = replace(RECIPE, steps=1, embedder=EmbedderConfig(kind="ecapa", start="random", ecapa=sizes))
    (figures,) = trainer_at(recipe, tmp_path).remaining_steps()
    assert figures["gradient"] > 0


def test_published_norms_keep_their_statistics(tmp_path: Path) -> None:
    trainer = trainer_at(RECIPE, tmp_path)
    assert trainer.embedder.network.training
    published = replace(RECIPE.embedder, start="published", campplus=CamPlusPlusConfig())
    trainer.embedder.config = published
    assert not trainer.embedder.train().network.training


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    trainer_at(RECIPE, tmp_path).save()
    with pytest.raises(ArtifactError, match="give another --out"):
        trainer_at(replace(RECIPE, seed=1), tmp_path).start()


def broken(batch: SpeakerBatch) -> SpeakerBatch:
    return replace(batch, inputs=torch.full_like(batch.inputs, torch.nan))


@pytest.mark.parametrize("method", ["pw", "aps", "pl", "group-dro"])
def test_a_batch_that_is_not_finite_is_passed_over(tmp_path: Path, method: str) -> None:
    fairness = replace(RECIPE.fairness, method=method)  # type: ignore[arg-type]
    trainer = trainer_at(replace(RECIPE, fairness=fairness), tmp_path)
    batches = list(islice(trainer.data.batches(first_step=0, world=trainer.world), 5))
    losses = [trainer._advance(batch)["loss"] for batch in (*batches[:2], broken(batches[2]), *batches[3:])]
    assert [bool(np.isfinite(loss)) for loss in losses] == [True, True, False, True, True]


def test_a_run_that_learns_nothing_any_more_ends_and_says_so(tmp_path: Path) -> None:
    trainer = trainer_at(RECIPE, tmp_path)
    batch = broken(next(iter(trainer.data.batches(first_step=0, world=trainer.world))))
    for _ in range(MOST_SKIPPED - 1):
        trainer._advance(batch)
    with pytest.raises(InvalidRequestError, match="not finite: lower the learning rate"):
        trainer._advance(batch)


def test_mean_weights_of_groups_are_told(tmp_path: Path) -> None:
    figures = list(trainer_at(RECIPE, tmp_path).remaining_steps())
    assert {"weight female", "weight male"} & figures[0].keys()
    (told,) = (of for of in figures if "weight_max" in of)
    assert told["weight_max"] >= 1 >= told["weight_min"]


@pytest.mark.slow
def test_two_processes_learn_what_one_with_the_doubled_batch_does(tmp_path: Path) -> None:
    for processes in (1, 2):
        on_processes("tests.training.toy_embedder_run", processes, tmp_path / str(processes), timeout_s=600)
    one, two = (torch.load(tmp_path / name / "run.pt", weights_only=True) for name in ("1", "2"))
    torch.testing.assert_close(two["losses"][0], one["losses"][0], rtol=1e-4, atol=1e-5)
    assert any(name.startswith("weighting.adversary") for name in one["gradients"])
    for name, gradient in one["gradients"].items():
        # Some are zero by symmetry, and so is what differs between two roundings of zero.
        assert (two["gradients"][name] - gradient).norm() <= 1e-3 * gradient.norm() + 1e-7, name
    # Adam makes whole steps of these roundings: later losses are alike, no more.
    torch.testing.assert_close(two["losses"], one["losses"], rtol=0.1, atol=0)


def test_validation_is_the_eer_of_pairs_within_a_value() -> None:
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(12, 5, generator=generator)
    who, sex = np.repeat(np.arange(6), 2), np.repeat([0, 0, 1, 1, 1, -1], 2)
    dev = Validation(inputs=embeddings, speakers=who, groups=sex, within=sex)
    figures = validation_figures(embeddings, dev, ("female", "male"))
    unit = torch.nn.functional.normalize(embeddings, dim=1).numpy()
    for name, kept in (("eer", {0, 1}), ("eer female", {0}), ("eer male", {1})):
        pairs = [(i, j) for j in range(12) for i in range(j) if sex[i] == sex[j] and sex[i] in kept]
        scores = {same: [unit[i] @ unit[j] for i, j in pairs if (who[i] == who[j]) == same] for same in (True, False)}
        assert figures[name] == pytest.approx(equal_error_rate(scores[True], scores[False]))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            {"data": SpeakerDataConfig(corpora=("toy",)), "fairness": FairnessConfig(method="v-rex")},
            "needs data.groups",
        ),
        ({"loss": SpeakerLossConfig(kind="aam-softmax")}, "needs a loss of pairs"),
    ],
)
def test_recipes_that_cannot_be_trained_are_refused(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        replace(RECIPE, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_the_recipes_in_the_repository_are_read(path: Path) -> None:
    assert read_recipe(path).name == path.stem
