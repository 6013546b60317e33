"""An embedder of our own training as an artifact: round trip, its card in the list of models, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch

from svc.application import Application
from svc.artifact import load_artifact, save_artifact
from svc.backends.embedder_artifact import VoiceNetwork, load_embedder_artifact, save_embedder
from svc.config import EquivoxConfig, ModelConfig, VerificationConfig
from svc.errors import ArtifactError
from svc.models.embedder_shape import EcapaConfig, EmbedderShape
from tests.models.test_embedder import SMALL

SHAPES = (
    EmbedderShape(campplus=SMALL, group_branches=2),
    EmbedderShape(network="ecapa", ecapa=EcapaConfig(channels=16, attention_channels=4, squeeze_channels=4)),
)


def saved(folder: Path, shape: EmbedderShape, *, seed: int = 0) -> VoiceNetwork:
    torch.manual_seed(seed)
    network = VoiceNetwork(shape)
    save_embedder(folder, network.state_dict(), shape, {"name": "mine", "licence": "CC0"})
    return network.eval()


@pytest.mark.parametrize("shape", SHAPES)
def test_an_embedder_comes_back_as_it_was_saved(tmp_path: Path, shape: EmbedderShape) -> None:
    network = saved(tmp_path, shape)
    embedder = load_embedder_artifact(tmp_path)
    samples = (0.1 * np.random.default_rng(0).standard_normal(8_000)).astype(np.float32)
    with torch.no_grad():
        expected = torch.nn.functional.normalize(network(torch.from_numpy(embedder.features(samples))[None]), dim=1)
    np.testing.assert_allclose(embedder.embed([samples]), expected.numpy(), atol=1e-6)
    assert embedder.dimension == expected.shape[1] == shape.width


def test_other_weights_have_another_fingerprint(tmp_path: Path) -> None:
    for seed in (0, 1):
        saved(tmp_path / str(seed), SHAPES[0], seed=seed)
    prints = {load_embedder_artifact(tmp_path / str(seed)).fingerprint for seed in (0, 1)}
    assert len(prints) == 2


def test_its_card_is_told_with_the_models(tmp_path: Path) -> None:
    saved(tmp_path, SHAPES[0])
    application = Application(EquivoxConfig(models=ModelConfig(embedder=f"artifact:{tmp_path}")))
    try:
        model = application._loaded_embedder()
        assert (model.name, model.licence, model.fingerprint) == ("mine", "CC0", application.embedder.fingerprint)
        assert model.card_toml == load_artifact(tmp_path).card_toml
    finally:
        application.close()


def test_what_is_no_embedder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot read artifact file"):
        load_embedder_artifact(tmp_path / "nowhere")
    save_artifact(tmp_path / "other", {"a": np.zeros(1, np.float32)}, {"kind": "calibration"})
    with pytest.raises(ArtifactError, match="is a calibration, not an embedder"):
        load_embedder_artifact(tmp_path / "other")
    save_artifact(tmp_path / "empty", {"a": np.zeros(1, np.float32)}, {"kind": "embedder", "shape": {"network": "gru"}})
    with pytest.raises(ArtifactError, match="holds no embedder this release can run"):
        load_embedder_artifact(tmp_path / "empty")


def test_weights_of_another_shape_are_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="these are not the weights of"):
        save_embedder(tmp_path, VoiceNetwork(SHAPES[0]).state_dict(), EmbedderShape(campplus=SMALL), {})
    with pytest.raises(ValueError, match="kind is the card's own key"):
        save_embedder(tmp_path, {}, SHAPES[0], {"kind": "mine"})


def test_an_artifact_that_cannot_be_used_is_told_by_its_setting(tmp_path: Path) -> None:
    saved(tmp_path / "mine", SHAPES[0])
    models = ModelConfig(embedder=f"artifact:{tmp_path / 'mine'}")
    gone = Application(EquivoxConfig(models=ModelConfig(embedder=f"artifact:{tmp_path / 'gone'}")))
    other = Application(EquivoxConfig(models=models, verification=VerificationConfig(calibration=tmp_path / "mine")))
    try:
        with pytest.raises(ArtifactError, match=r"models\.embedder: cannot read"):
            _ = gone.embedder
        with pytest.raises(ArtifactError, match=r"verification\.calibration: .* is an embedder, not a calibration"):
            _ = other.calibration
    finally:
        other.close()
