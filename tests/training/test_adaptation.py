"""Fine-tuning for a cohort: what moves, how far, from whom it learns, and that a killed run ends with the same bits."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from svc.backends.transcriber_artifact import TranscriberArtifact
from svc.errors import ArtifactError, InvalidRequestError
from svc.models.encoders import ENCODER_KINDS
from svc.models.transcriber import Transcriber
from svc.units import END_OF_TURN, START_OF_TURN
from tests.models.toy_transcriber import toy_config
from tests.training.toy_adaptation import COHORT, COHORTS, TOY, toy_adaptation, toy_artifact, toy_trainer
from tests.training.toy_transcriber_run import toy_data
from training.adaptation import AdaptationTrainer
from training.adaptation_recipe import AdaptationRecipe, MethodConfig, read_adaptation
from training.data.batches import collate
from training.fairness.cohorts.cohort import cohorts_of
from training.fisher import FisherMaking, kept_fisher, transcriber_fisher
from training.transcriber_step import TrainingStep

CONFIGS = Path(__file__).parents[2] / "training/configs/adaptation"
PLAIN = MethodConfig()
VECTOR = MethodConfig(everybody_share=1.0, cohort_vector=True)
EWC = MethodConfig(penalty="ewc", strength=1e3, fisher_mixtures=3)
every_kind = pytest.mark.parametrize("kind", ENCODER_KINDS)


def artifact_of(kind: str) -> TranscriberArtifact:
    return toy_artifact(toy_config(kind).encoder)


def weights_after(out: Path, method: MethodConfig, artifact: TranscriberArtifact | None = None) -> dict[str, Tensor]:
    trainer = toy_trainer(out, method, artifact=artifact)
    trainer.begin()
    trainer.run(None)
    return trainer.model.state_dict()


def moved(weights: dict[str, Tensor], artifact: TranscriberArtifact) -> set[str]:
    start = artifact.model.state_dict()
    return {name for name, value in weights.items() if not torch.equal(value, start[name])}


def moved_parts(weights: dict[str, Tensor]) -> set[str]:
    return {name.split(".")[0] for name in moved(weights, toy_artifact())}


def distance(weights: dict[str, Tensor]) -> float:
    start = toy_artifact().model.state_dict()
    return sum(float((value - start[name]).double().square().sum()) for name, value in weights.items())


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    for name, value in other.items():
        torch.testing.assert_close(one[name], value, rtol=0, atol=0, msg=name)


@pytest.mark.parametrize(
    ("parts", "moved"),
    [
        ("encoder", {"encoder"}),
        ("predictor", {"predictor"}),
        ("all", {"encoder", "predictor"}),
        ("transducer", {"encoder", "predictor", "joint"}),
    ],
)
def test_what_is_not_to_adapt_stays_to_the_bit(tmp_path: Path, parts: str, moved: set[str]) -> None:
    assert moved_parts(weights_after(tmp_path, MethodConfig(parts=parts))) == moved


def test_no_strength_is_plain_fine_tuning_to_the_bit(tmp_path: Path) -> None:
    plain = weights_after(tmp_path / "plain", PLAIN)
    for penalty in ("l2", "ewc"):
        held = weights_after(tmp_path / penalty, MethodConfig(penalty=penalty, strength=0.0, fisher_mixtures=3))
        assert_same(held, plain)


@every_kind
def test_an_infinite_strength_leaves_the_artifact_as_it_was(tmp_path: Path, kind: str) -> None:
    held, artifact = MethodConfig(penalty="l2", strength=float("inf")), artifact_of(kind)
    assert moved(weights_after(tmp_path, held, artifact), artifact) == set()


@every_kind
def test_whatever_adapts_matters_to_the_fisher_information(kind: str, tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path, EWC, artifact=artifact_of(kind))
    trainer.begin()
    assert trainer.anchor is not None
    assert [name for name, value in trainer.anchor.importance.items() if not value.any()] == []


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
    adaptation = replace(toy_adaptation(), artifact=artifact)
    with pytest.raises(InvalidRequestError, match="not the artifact's"):
        AdaptationTrainer(adaptation, toy_data(), out=tmp_path, fisher=tmp_path / "fisher.pt")


def test_a_cohort_nobody_of_which_can_be_learnt_from_is_refused(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path, PLAIN, cohorts=cohorts_of("toy", {"nobody": "odd"}))
    trainer.begin()
    with pytest.raises(InvalidRequestError, match="no speech of the cohort"):
        next(trainer.stage_steps(0, 0))


def test_an_unknown_cohort_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidRequestError, match="there are even, odd"):
        replace(toy_adaptation(), name="none")


def test_a_model_that_is_told_of_cohorts_starts_to_the_bit_as_it_was(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path, VECTOR)
    trainer.begin()
    batch = next(trainer.data.batches(TOY.stage, 0, first_step=0, world=trainer.world))
    assert batch.cohorts.any()
    told = trainer.model.eval().recognise_whole(batch.mels[:, None], cohorts=batch.cohorts[:, :1])
    assert torch.equal(told.frames, toy_artifact().model.recognise_whole(batch.mels[:, None]).frames)


def test_it_learns_to_use_what_it_is_told(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path, VECTOR)
    trainer.begin()
    trainer.run(None)
    assert trainer.model.from_cohort is not None
    assert trainer.model.from_cohort.project.weight.detach().abs().max() > 0.1
    assert moved_parts({name: value for name, value in trainer.model.state_dict().items() if "from_cohort" not in name})


def test_the_arbitrators_of_an_artifact_stay_as_they_are(tmp_path: Path) -> None:
    artifact = artifact_of("amortised")
    changed = moved(weights_after(tmp_path, PLAIN, artifact), artifact)
    assert any(name.startswith("encoder.") for name in changed)
    assert not [name for name in changed if "_gate." in name]


def test_what_is_new_is_held_by_no_penalty(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path, replace(VECTOR, penalty="l2", strength=float("inf")))
    trainer.begin()
    trainer.run(None)
    assert trainer.model.from_cohort is not None
    assert trainer.model.from_cohort.project.weight.any()
    assert not moved_parts(
        {name: value for name, value in trainer.model.state_dict().items() if "from_cohort" not in name}
    )


def test_centroids_of_cohorts_go_into_the_model(tmp_path: Path) -> None:
    centroids = np.eye(2, 5, dtype=np.float32)
    trainer = toy_trainer(tmp_path, VECTOR, cohorts=replace(COHORTS, centroids=centroids))
    trainer.begin()
    trainer.run(None)
    assert trainer.model.from_cohort is not None
    assert torch.equal(trainer.averaged["from_cohort.centroids"], torch.from_numpy(centroids))


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


def test_what_learnt_words_alone_is_adapted_to_words_alone(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path, PLAIN, artifact=replace(toy_artifact(), turn_tokens=False))
    batch = next(trainer.data.batches(TOY.stage, 0, first_step=0, world=trainer.world))
    assert not torch.isin(batch.targets, torch.tensor([START_OF_TURN, END_OF_TURN])).any()
    assert not trainer.recipe.turn_tokens


def test_fisher_of_an_artifact_that_is_told_of_others_hears_no_cohort(tmp_path: Path) -> None:
    told = toy_artifact()
    model = Transcriber(replace(told.model.config, cohort_width=3)).eval()
    model.load_state_dict(told.model.state_dict(), strict=False)
    trainer = toy_trainer(tmp_path, replace(EWC, cohort_vector=True), artifact=replace(told, model=model))
    trainer.begin()
    assert trainer.anchor is not None
    plain = toy_trainer(tmp_path / "plain", EWC)
    plain.begin()
    assert plain.anchor is not None
    assert_same(trainer.anchor.importance, plain.anchor.importance)


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
