"""From a manifest on disk to a served verifier: groups of any columns, cached statistics, the whole way by command."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from svc.artifact import load_artifact
from svc.backends.embedder_artifact import load_embedder_artifact
from svc.backends.loading import load_embedder
from svc.backends.store import ModelStore
from svc.config import ModelConfig
from svc.errors import ArtifactError, InvalidRequestError
from svc.types import MODEL_RATE_HZ
from tests.training.data.manifests import write_manifest
from tests.training.data.toy_voices import VoicesInMemory, clip
from training.checkpoint import Checkpoint, read_checkpoint, save_checkpoint
from training.data.manifest import COLUMNS
from training.distributed import World
from training.embedder_data import DataPaths, group_numbers, open_data
from training.embedder_recipe import EmbedderRecipe, read_recipe
from training.export_embedder import export
from training.fairness.weighting import UNKNOWN
from training.train_embedder import EmbedderTrainer, run
from training.trained_embedder import TrainedEmbedder, random_network

EMPTY = Checkpoint(step=0, recipe="", model={}, averaged={}, optimizer={}, random_state=torch.get_rng_state())
TOML = """
name = "toy"
steps = 3
speakers = 4
validate_every = 3
[data]
corpora = ["toy"]
groups = ["accent"]
min_speech_s = 1.0
trials_within = []
cached_cuts = 3
[data.cuts]
duration_s = [0.3, 0.4]
augmentation = {noise_share = 0.5, codec_share = 0.0}
[embedder]
start = "random"
trains = "TRAINS"
[embedder.campplus]
head_channels = 4
tdnn_channels = 8
growth = 4
bottleneck = 8
block_layers = [1, 1, 1]
embedding_width = 12
[fairness]
method = "METHOD"
[fairness.reweighting]
warmup_steps = 1
[fairness.reweighting.regions]
count = 2
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six train and two dev talkers of two sessions, with a column of our own: accent; and a noise."""
    folder = tmp_path_factory.mktemp("corpus")
    rows = []
    for who in range(8):
        for session in "01":
            spoken = replace(clip(f"t{who}", 0, session=session), split="train" if who < 6 else "dev")
            samples = VoicesInMemory().read(spoken.path, 0, 1)
            (folder / spoken.path).parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / spoken.path, samples, MODEL_RATE_HZ)
            rows.append({name: getattr(spoken, name) for name in COLUMNS} | {"accent": ("north", "south", "")[who % 3]})
    hiss = np.random.default_rng(0).normal(0, 0.1, 8_000)
    soundfile.write(folder / "hiss.wav", hiss, MODEL_RATE_HZ)
    noise = replace(clip("hiss", 0, duration_s=0.5), path="hiss.wav", corpus="noise")
    rows.append({name: getattr(noise, name) for name in COLUMNS})
    write_manifest(folder, rows, further=["accent"])
    return folder


def recipe_at(folder: Path, *, trains: str = "whole", method: str = "pw") -> Path:
    path = folder / "toy.toml"
    path.write_text(TOML.replace("TRAINS", trains).replace("METHOD", method))
    return path


def trained(root: Path, folder: Path, *, trains: str, method: str) -> EmbedderRecipe:
    """The recipe, run to its end by the command's own code."""
    path = recipe_at(folder, trains=trains, method=method)
    run(argparse.Namespace(recipe=path, out=folder / "run", root=root, cache=folder / "cache", workers=0))
    return read_recipe(path)


def trainer_of(recipe: EmbedderRecipe, root: Path, folder: Path) -> EmbedderTrainer:
    embedder = TrainedEmbedder(recipe.embedder, random_network(recipe.embedder))
    data = open_data(recipe, DataPaths(root=root, cache=folder / "cache"), embedder)
    return EmbedderTrainer(recipe, data, embedder, out=folder / "run", world=World())


@pytest.mark.parametrize(
    ("trains", "method"), [("whole", "pw"), ("head", "aps"), ("last-blocks", "group-adapted-fusion")]
)
def test_what_was_trained_is_what_is_served(root: Path, tmp_path: Path, trains: str, method: str) -> None:
    recipe = trained(root, tmp_path, trains=trains, method=method)
    export(tmp_path / "run", recipe, out=tmp_path / "artifact", about={"licence": "none", "data": "tones"})
    embedder = load_embedder(ModelConfig(embedder=f"artifact:{tmp_path / 'artifact'}"), ModelStore(tmp_path))
    samples = VoicesInMemory().read("toy/t1/0_0.wav", 0, 1)

    trainer = trainer_of(recipe, root, tmp_path)
    trainer.start()
    network = trainer.embedder.eval().network
    features = torch.from_numpy(load_embedder_artifact(tmp_path / "artifact").features(samples))[None]
    with torch.no_grad():
        expected = torch.nn.functional.normalize(trainer.weighting.adapted(network(features)), dim=-1)
    np.testing.assert_allclose(embedder.embed([samples]), expected.numpy(), atol=1e-5)
    assert embedder.dimension == 12 * (3 if method == "group-adapted-fusion" else 1)


def test_the_card_says_what_the_run_was(root: Path, tmp_path: Path) -> None:
    recipe = trained(root, tmp_path, trains="whole", method="uniform")
    export(tmp_path / "run", recipe, out=tmp_path / "artifact", about={"licence": "research only", "data": "tones"})
    card = load_artifact(tmp_path / "artifact").card
    assert (card["licence"], card["recipe"], card["steps"]) == ("research only", recipe.digest, 3)
    with pytest.raises(ArtifactError, match="is a run of recipe"):
        export(tmp_path / "run", replace(recipe, seed=9), out=tmp_path / "other", about={})


def test_a_finished_run_started_again_does_nothing(root: Path, tmp_path: Path) -> None:
    trained(root, tmp_path, trains="whole", method="pw")
    before = read_checkpoint(tmp_path / "run")
    trained(root, tmp_path, trains="whole", method="pw")
    after = read_checkpoint(tmp_path / "run")
    assert before is not None
    assert after is not None
    assert before.step == after.step == 3


def test_the_folder_of_another_recipe_is_refused_before_anything_is_heard(root: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "run", replace(EMPTY, recipe="another"))
    with pytest.raises(ArtifactError, match="give another --out"):
        trained(root, tmp_path, trains="whole", method="uniform")
    assert not (tmp_path / "cache").exists()


def test_the_curves_are_written(root: Path, tmp_path: Path) -> None:
    trained(root, tmp_path, trains="whole", method="pw")
    assert list((tmp_path / "run/curves").glob("events.out.*"))


def test_cuts_that_are_kept_are_heard_once_for_all_seeds(root: Path, tmp_path: Path) -> None:
    recipe = read_recipe(recipe_at(tmp_path, trains="whole", method="pw"))
    cuts = replace(recipe.data.cuts, duration_s=(0.3, 0.3))
    kept = replace(recipe, data=replace(recipe.data, cuts=cuts, keep_features=True))
    first, second = (trainer_of(replace(kept, seed=seed), root, tmp_path).data.examples for seed in (0, 1))
    assert len(list((tmp_path / "cache").glob("heard-*.npy"))) == 1
    known = {example.tobytes() for place in range(6) for example in first[place, 2].inputs}
    assert {example.tobytes() for place in range(6) for example in second[place, 2].inputs} & known
    assert first[0, 2].inputs.shape == (2, 28, 80)


def test_kept_cuts_must_be_of_one_length(tmp_path: Path) -> None:
    recipe = read_recipe(recipe_at(tmp_path))
    with pytest.raises(ValueError, match="cuts of one length"):
        replace(recipe.data, keep_features=True)


def test_groups_are_crossings_of_any_columns_and_unknown_where_one_is() -> None:
    values = {"a.wav": ("f", "uk"), "b.wav": ("m", "uk"), "c.wav": ("f", "")}
    numbers, names = group_numbers(values)
    assert names == ("f uk", "m uk")
    assert list(numbers.values()) == [0, 1, UNKNOWN]
    assert group_numbers(dict.fromkeys(values, ()))[1] == ()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"groups": ("planet",)}, "no column planet"),
        ({"min_speech_s": 60.0}, "no train talker of toy has min_speech_s = 60 of speech"),
        ({"noise_corpus": "hum"}, r"no train clips of corpus hum for noise: set data\.cuts\.augmentation\.noise_share"),
    ],
)
def test_what_the_manifest_lacks_is_named(root: Path, tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    recipe = read_recipe(recipe_at(tmp_path))
    recipe = replace(recipe, data=replace(recipe.data, **change))
    with pytest.raises(InvalidRequestError, match=complaint):
        trainer_of(recipe, root, tmp_path)
    assert not (tmp_path / "cache").exists()


def test_too_large_a_batch_is_refused_before_anything_is_heard(root: Path, tmp_path: Path) -> None:
    recipe = replace(read_recipe(recipe_at(tmp_path)), speakers=7)
    with pytest.raises(
        InvalidRequestError, match="6 speakers cannot fill a batch of 7: lower speakers, or add corpora"
    ):
        trainer_of(recipe, root, tmp_path)
    assert not (tmp_path / "cache").exists()


def test_a_corpus_the_manifest_lacks_is_named_and_not_passed_over(root: Path, tmp_path: Path) -> None:
    recipe = read_recipe(recipe_at(tmp_path))
    asking = replace(recipe, data=replace(recipe.data, corpora=("toy", "other")))
    with pytest.raises(InvalidRequestError, match="the manifest has no corpus other; there are noise, toy"):
        trainer_of(asking, root, tmp_path)
