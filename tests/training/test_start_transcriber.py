"""Where a transcriber starts, and the artifact it becomes: parts of runs that know its words, and of its own recipe."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from svc.backends.transcriber_artifact import load_transcriber
from svc.errors import ArtifactError
from svc.units import Units
from tests.training.test_train_transcriber import cut_after
from tests.training.toy_transcriber_run import RECIPE, toy_data, trainer_at
from training.checkpoint import Checkpoint, save_checkpoint
from training.data.units import UnitEncoder, read_units
from training.distributed import World
from training.export_transcriber import export
from training.train_transcriber import TranscriberTrainer

# As many as the toy's own.
OTHERS = UnitEncoder(units=Units(tuple(reversed(toy_data().runtime_units.pieces))))


def test_parts_of_earlier_runs_are_joined(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 2)):
        cut_after(replace(RECIPE, seed=seed), tmp_path / name, 1)
    joined = trainer_at(RECIPE, tmp_path / "joined")
    joined.start(separator=tmp_path / "a", recogniser=tmp_path / "b")
    sources = {name: torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)["averaged"] for name in "ab"}
    for name, value in joined.model.state_dict().items():
        torch.testing.assert_close(value, sources["a" if name.startswith("separator.") else "b"][name])


def test_the_encoder_alone_is_taken_from_a_run_of_other_words(tmp_path: Path) -> None:
    known = replace(RECIPE, model=replace(RECIPE.model, predictor=replace(RECIPE.model.predictor, width=12)))
    cut_after(replace(known, seed=1), tmp_path / "known", 1)
    told = torch.load(tmp_path / "known" / "checkpoint.pt", weights_only=True)["averaged"]
    plain, going_on = (trainer_at(RECIPE, tmp_path / name) for name in ("plain", "on"))
    plain.start()
    going_on.start(encoder=tmp_path / "known")
    for name, value in going_on.model.state_dict().items():
        expected = told[name] if name.startswith("encoder.") else plain.model.state_dict()[name]
        torch.testing.assert_close(value, expected)


def run_of(units: UnitEncoder, out: Path) -> Path:
    """One that was cut before its first step."""
    trainer = TranscriberTrainer(RECIPE, replace(toy_data(), units=units), out=out, world=World())
    trainer.start()
    trainer.save()
    return out


def artifact_of(run: Path, out: Path, units: UnitEncoder) -> Path:
    export(run_of(units, run), RECIPE, units, digest=RECIPE.digest, out=out, commands=[])
    return out


def test_an_artifact_may_stand_for_a_run(tmp_path: Path) -> None:
    units = toy_data().units
    assert isinstance(units, UnitEncoder)
    artifact = artifact_of(tmp_path / "run", tmp_path / "artifact", units)
    told = load_transcriber(artifact).model.state_dict()
    for part in ("separator", "recogniser"):
        trainer = trainer_at(replace(RECIPE, seed=1), tmp_path / part)
        trainer.start(**{part: artifact})
        taken = {name for name, value in trainer.model.state_dict().items() if torch.equal(value, told[name])}
        wanted = {name for name in told if name.startswith("separator.") == (part == "separator")}
        assert wanted <= taken < told.keys()
        assert all(torch.equal(trainer.averaged[name], told[name]) for name in wanted)


def test_an_artifact_spells_words_as_it_was_trained_to(tmp_path: Path) -> None:
    pieces = (*toy_data().runtime_units.pieces[:-3], *"abc")
    units = UnitEncoder(units=Units(pieces), scores=tuple(-float(number) for number in range(len(pieces))))
    artifact = artifact_of(tmp_path / "run", tmp_path / "artifact", units)
    assert read_units(artifact) == units


def test_an_artifact_without_scores_spells_in_the_fewest_pieces() -> None:
    shipped = Path("svc/artifacts/transcriber-english")
    told = read_units(shipped)
    assert told.units == load_transcriber(shipped).units
    assert [told.units.piece(number) for number in told.encode("seven")] == ["▁seven"]


def test_units_of_another_kind_of_artifact_are_refused() -> None:
    with pytest.raises(ArtifactError, match="not a transcriber"):
        read_units(Path("svc/artifacts/calibration-campplus"))


def test_an_artifact_of_other_units_gives_its_separator_alone(tmp_path: Path) -> None:
    artifact = artifact_of(tmp_path / "run", tmp_path / "artifact", OTHERS)
    trainer_at(RECIPE, tmp_path / "fits").start(separator=artifact)
    with pytest.raises(ArtifactError, match="artifact spells words with other units"):
        trainer_at(RECIPE, tmp_path / "refused").start(recogniser=artifact)


def test_a_run_of_other_units_gives_its_separator_or_its_encoder_alone(tmp_path: Path) -> None:
    run = run_of(OTHERS, tmp_path / "run")
    trainer_at(RECIPE, tmp_path / "fits").start(separator=run, encoder=run)
    refusals: tuple[Callable[[], None], ...] = (
        lambda: trainer_at(RECIPE, run).start(),
        lambda: trainer_at(RECIPE, tmp_path / "refused").start(recogniser=run),
        lambda: export(run, RECIPE, toy_data().units, digest=RECIPE.digest, out=tmp_path / "artifact", commands=[]),
    )
    for refused in refusals:
        with pytest.raises(ArtifactError, match="spells words with other units: give those it was started with"):
            refused()


def test_a_run_older_than_units_in_checkpoints_is_gone_on_with(tmp_path: Path) -> None:
    path = run_of(OTHERS, tmp_path) / "checkpoint.pt"
    content = torch.load(path, weights_only=True)
    del content["units"]
    torch.save(content, path)
    trainer_at(RECIPE, tmp_path).start()


def test_a_folder_that_is_neither_run_nor_artifact_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="nothing is neither a training run nor an artifact"):
        trainer_at(RECIPE, tmp_path / "run").start(recogniser=tmp_path / "nothing")


def test_a_run_goes_on_from_the_weights_it_began_with_or_says_that_it_cannot(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 2)):
        trainer = trainer_at(replace(RECIPE, seed=seed), tmp_path / name)
        trainer.start()
        trainer.save()
    begun = trainer_at(RECIPE, tmp_path / "run")
    begun.start(recogniser=tmp_path / "a")
    begun.save()
    trainer_at(RECIPE, tmp_path / "run").start(recogniser=tmp_path / "a")
    trainer_at(RECIPE, tmp_path / "run").start()
    for other in ({"recogniser": tmp_path / "b"}, {"encoder": tmp_path / "a"}):
        with pytest.raises(ArtifactError, match="did not begin with the weights that are given: give another --out"):
            trainer_at(RECIPE, tmp_path / "run").start(**other)
    with pytest.raises(ArtifactError, match="did not begin with the weights"):
        trainer_at(replace(RECIPE, seed=1), tmp_path / "a").start(recogniser=tmp_path / "b")


def test_the_artifact_holds_the_averaged_weights(tmp_path: Path) -> None:
    trainer = trainer_at(RECIPE, tmp_path / "run")
    trainer.start()
    trainer.run(None)
    units = trainer.data.units
    assert isinstance(units, UnitEncoder)
    export(tmp_path / "run", RECIPE, units, digest=RECIPE.digest, out=tmp_path / "artifact", commands=["make it"])
    loaded = load_transcriber(tmp_path / "artifact")
    name = "joint.output.weight"
    torch.testing.assert_close(loaded.model.state_dict()[name], trainer.averaged[name], rtol=1e-3, atol=1e-4)
    assert loaded.card["commands"] == ["make it"]


@pytest.mark.parametrize("turn_tokens", [True, False])
def test_the_artifact_knows_whether_its_run_learnt_turn_tokens(tmp_path: Path, turn_tokens: bool) -> None:
    run, recipe = run_of(toy_data().units, tmp_path / "run"), replace(RECIPE, turn_tokens=turn_tokens)
    export(run, recipe, toy_data().units, digest=RECIPE.digest, out=tmp_path / "artifact", commands=[])
    assert load_transcriber(tmp_path / "artifact").turn_tokens == turn_tokens


def test_an_artifact_is_of_the_recipe_its_run_had(tmp_path: Path) -> None:
    """For it is that which its card tells the name, the data and the limits of."""
    run, units = run_of(toy_data().units, tmp_path / "run"), toy_data().units
    named = replace(RECIPE, name="other")
    with pytest.raises(ArtifactError, match=f"is a run of recipe {RECIPE.digest}, this one is {named.digest}"):
        export(run, named, units, digest=named.digest, out=tmp_path / "artifact", commands=[])
    assert not (tmp_path / "artifact").exists()


def verifier_run(folder: Path) -> Path:
    state = torch.get_rng_state()
    save_checkpoint(folder, Checkpoint(step=1, recipe="r", model={}, averaged={}, optimizer={}, random_state=state))
    return folder


@pytest.mark.parametrize("part", ["separator", "recogniser"])
def test_nothing_starts_from_a_run_of_something_else(tmp_path: Path, part: str) -> None:
    with pytest.raises(ArtifactError, match=r"is no run of training\.train_transcriber"):
        trainer_at(RECIPE, tmp_path / "new").start(**{part: verifier_run(tmp_path / "run")})


def test_a_run_of_something_else_makes_no_artifact(tmp_path: Path) -> None:
    units = toy_data().units
    assert isinstance(units, UnitEncoder)
    with pytest.raises(ArtifactError, match=r"is no run of training\.train_transcriber"):
        export(verifier_run(tmp_path / "run"), RECIPE, units, digest="r", out=tmp_path / "artifact", commands=[])
    assert not (tmp_path / "artifact").exists()
