"""Fine-tuning for a cohort: what moves, how far, from whom it learns, and that a killed run ends with the same bits."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from svc.errors import ArtifactError, InvalidRequestError
from tests.training.toy_adaptation import COHORT, TOY, toy_artifact, toy_trainer
from tests.training.toy_transcriber_run import toy_data
from training.adaptation import Adaptation, AdaptationTrainer
from training.adaptation_recipe import AdaptationRecipe, MethodConfig, read_adaptation
from training.data.batches import collate
from training.fisher import FisherMaking, kept_fisher, transcriber_fisher
from training.transcriber_step import TrainingStep

CONFIGS = Path(__file__).parents[2] / "training/configs/adaptation"
PLAIN = MethodConfig()
EWC = MethodConfig(penalty="ewc", strength=1e3, fisher_mixtures=3)


def weights_after(out: Path, method: MethodConfig) -> dict[str, Tensor]:
    trainer = toy_trainer(out, method)
    trainer.begin()
    trainer.run(None)
    return trainer.model.state_dict()


def moved_parts(weights: dict[str, Tensor]) -> set[str]:
    start = toy_artifact().model.state_dict()
    return {name.split(".")[0] for name, value in weights.items() if not torch.equal(value, start[name])}


def distance(weights: dict[str, Tensor]) -> float:
    start = toy_artifact().model.state_dict()
    return sum(float((value - start[name]).double().square().sum()) for name, value in weights.items())


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    for name, value in other.items():
        torch.testing.assert_close(one[name], value, rtol=0, atol=0, msg=name)


@pytest.mark.parametrize(
    ("parts", "moved"),
    [("encoder", {"encoder"}), ("predictor", {"predictor"}), ("all", {"encoder", "predictor"})],
)
def test_what_is_not_to_adapt_stays_to_the_bit(tmp_path: Path, parts: str, moved: set[str]) -> None:
    assert moved_parts(weights_after(tmp_path, MethodConfig(parts=parts))) == moved


def test_no_strength_is_plain_fine_tuning_to_the_bit(tmp_path: Path) -> None:
    plain = weights_after(tmp_path / "plain", PLAIN)
    for penalty in ("l2", "ewc"):
        held = weights_after(tmp_path / penalty, MethodConfig(penalty=penalty, strength=0.0, fisher_mixtures=3))
        assert_same(held, plain)


def test_an_infinite_strength_leaves_the_artifact_as_it_was(tmp_path: Path) -> None:
    assert moved_parts(weights_after(tmp_path, MethodConfig(penalty="l2", strength=float("inf")))) == set()


@pytest.mark.parametrize("penalty", ["l2", "ewc"])
def test_the_stronger_the_closer_to_the_artifact(tmp_path: Path, penalty: str) -> None:
    strengths = (0.0, 1.0, 1e4)
    methods = [MethodConfig(penalty=penalty, strength=strength, fisher_mixtures=3) for strength in strengths]
    moved = [distance(weights_after(tmp_path / f"{at}", method)) for at, method in enumerate(methods)]
    assert moved[0] > moved[1] > moved[2] > 0


def test_a_resumed_run_ends_with_the_same_bits(tmp_path: Path) -> None:
    cut = toy_trainer(tmp_path / "cut", EWC)
    cut.begin()
    next(cut.stage_steps(0, 0))
    cut.save()
    assert_same(weights_after(tmp_path / "cut", EWC), weights_after(tmp_path / "whole", EWC))


def test_only_the_cohort_is_heard_unless_everybody_is_asked_for(tmp_path: Path) -> None:
    def heard(method: MethodConfig) -> set[str]:
        simulator = toy_trainer(tmp_path, method).data.training_simulator(TOY.stage.mixtures)
        return {turn.speaker.partition("@")[0] for seed in range(60) for turn in simulator.draw(seed).turns}

    assert heard(PLAIN) == COHORT
    assert heard(MethodConfig(everybody_share=0.5)) == {f"t{who}" for who in range(5)}


def test_other_units_than_the_artifact_s_are_refused(tmp_path: Path) -> None:
    artifact = replace(toy_artifact(), units=replace(toy_artifact().units, pieces=("a", "b")))
    adaptation = Adaptation(recipe=TOY, artifact=artifact, speakers=COHORT)
    with pytest.raises(InvalidRequestError, match="not the artifact's"):
        AdaptationTrainer(adaptation, toy_data(), out=tmp_path, fisher=tmp_path / "fisher.pt")


def test_a_cohort_nobody_of_which_can_be_learnt_from_is_refused(tmp_path: Path) -> None:
    adaptation = Adaptation(recipe=TOY, artifact=toy_artifact(), speakers=frozenset({"nobody"}))
    trainer = AdaptationTrainer(adaptation, toy_data(), out=tmp_path, fisher=tmp_path / "fisher.pt")
    trainer.begin()
    with pytest.raises(InvalidRequestError, match="no speech of the cohort"):
        next(trainer.stage_steps(0, 0))


def making(weights: str = "toy") -> FisherMaking:
    return FisherMaking(weights=weights, mixtures=TOY.stage.mixtures, losses=TOY.stage.losses, number=3, utterances=())


def test_fisher_is_the_mean_of_squared_gradients_of_single_utterances() -> None:
    model, data = toy_artifact().model, toy_data()
    found = transcriber_fisher(model, data, making())
    step, squares = TrainingStep(model), torch.zeros_like(model.joint.output.weight)
    for example in data.of_everybody(TOY.stage.mixtures, 3):
        loss = step(collate([example]), TOY.stage).total
        squares += torch.autograd.grad(loss, model.joint.output.weight)[0].square()
    torch.testing.assert_close(found["joint.output.weight"], squares / 3)


def test_fisher_is_kept_and_only_used_for_the_weights_it_is_of(tmp_path: Path) -> None:
    path, model = tmp_path / "fisher.pt", toy_artifact().model
    first = kept_fisher(path, making(), model, toy_data())
    again = kept_fisher(path, making(), model, replace(toy_data(), utterances={}))
    assert_same(again, first)
    with pytest.raises(ArtifactError, match="give another --fisher"):
        kept_fisher(path, making("others"), model, toy_data())
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ArtifactError, match="broken"):
        kept_fisher(path, making(), model, toy_data())


@pytest.mark.parametrize(
    "wrong", [{"parts": "joint"}, {"penalty": "l1"}, {"strength": 1.0}, {"penalty": "l2", "strength": -1.0}]
)
def test_methods_that_make_no_sense_are_refused(wrong: dict[str, str | float]) -> None:
    with pytest.raises(ValueError, match=r"parts must|need strength"):
        MethodConfig(**wrong)  # type: ignore[arg-type]


def test_weights_are_not_held_to_zero() -> None:
    with pytest.raises(ValueError, match="weight_decay must be 0"):
        replace(TOY, optimiser=replace(TOY.optimiser, weight_decay=0.01))


def test_whatever_decides_the_weights_changes_the_digest() -> None:
    recipes: list[AdaptationRecipe] = [TOY, replace(TOY, method=EWC), replace(TOY, seed=1)]
    digests = {recipe.digest(start, who) for recipe in recipes for start in "ab" for who in (COHORT, {"t2"})}
    assert len(digests) == 12


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_the_configurations_in_the_repository_are_read(path: Path) -> None:
    assert read_adaptation(path).stage.steps > 0
