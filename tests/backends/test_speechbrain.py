"""Any SpeechBrain embedder, here a small ECAPA-TDNN with random weights in a local folder."""

from pathlib import Path

import numpy as np
import pytest
import torch
from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN

from svc.backends.loading import load_embedder
from svc.backends.speechbrain import SpeechBrainEmbedder, speechbrain_folder
from svc.backends.store import ModelStore
from svc.config import ModelConfig
from svc.errors import ModelUnavailableError
from tests.backends.test_campplus import noises

SIZES = {
    "input_size": 80, "channels": [32, 32, 32, 32, 96], "kernel_sizes": [5, 3, 3, 3, 1], "dilations": [1, 2, 3, 4, 1],
    "attention_channels": 16, "lin_neurons": 24,
}  # fmt: skip
# As published: it names the hub as the place of its own checkpoint.
HYPERPARAMS = """
pretrained_path: nobody/nothing
compute_features: !new:speechbrain.lobes.features.Fbank
    n_mels: 80
mean_var_norm: !new:speechbrain.processing.features.InputNormalization
    norm_type: sentence
    std_norm: False
embedding_model: !new:speechbrain.lobes.models.ECAPA_TDNN.ECAPA_TDNN
{sizes}
modules:
    compute_features: !ref <compute_features>
    mean_var_norm: !ref <mean_var_norm>
    embedding_model: !ref <embedding_model>
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        embedding_model: !ref <embedding_model>
    paths:
        embedding_model: !ref <pretrained_path>/embedding_model.ckpt
"""


def write_ecapa(folder: Path, seed: int) -> Path:
    folder.mkdir(parents=True)
    torch.manual_seed(seed)
    torch.save(ECAPA_TDNN(**SIZES).state_dict(), folder / "embedding_model.ckpt")
    sizes = "\n".join(f"    {name}: {value}" for name, value in SIZES.items())
    (folder / "hyperparams.yaml").write_text(HYPERPARAMS.format(sizes=sizes))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ecapa(tmp_path_factory.mktemp("speechbrain") / "ecapa", seed=0)


@pytest.fixture(scope="module")
def embedder(folder: Path) -> SpeechBrainEmbedder:
    return SpeechBrainEmbedder(folder)


def test_a_clip_does_not_depend_on_its_batch(embedder: SpeechBrainEmbedder) -> None:
    clips = noises(16_000, 8_000, 16_000, 1_600)
    alone = np.concatenate([embedder.embed([clip]) for clip in clips])
    np.testing.assert_allclose(embedder.embed(clips), alone, atol=1e-4)


def test_embeddings_are_unit_vectors_of_the_model_s_width(embedder: SpeechBrainEmbedder) -> None:
    embeddings = embedder.embed(noises(16_000, 9_000))
    assert embeddings.shape == (2, SIZES["lin_neurons"]) == (2, embedder.dimension)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)


def test_the_checkpoint_in_the_folder_is_what_runs(embedder: SpeechBrainEmbedder, tmp_path: Path) -> None:
    same, other = (SpeechBrainEmbedder(write_ecapa(tmp_path / str(seed), seed)) for seed in (0, 1))
    clips = noises(16_000)
    np.testing.assert_allclose(same.embed(clips), embedder.embed(clips), atol=1e-5)
    assert same.fingerprint == embedder.fingerprint != other.fingerprint
    assert np.abs(other.embed(clips) - embedder.embed(clips)).max() > 0.01


def test_the_configuration_names_a_folder(folder: Path, tmp_path: Path) -> None:
    config = ModelConfig(cache_dir=tmp_path, offline=True, embedder=f"speechbrain:{folder}")
    assert load_embedder(config, ModelStore(tmp_path)).runtime == "torch"


def test_offline_a_hub_id_is_refused_at_once_unless_cached(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="offline: neither nobody/nothing nor"):
        speechbrain_folder("nobody/nothing", tmp_path, offline=True)
    cached = write_ecapa(tmp_path / "models/speechbrain/nobody--nothing", seed=0)
    assert speechbrain_folder("nobody/nothing", tmp_path, offline=True) == cached


@pytest.mark.parametrize("content", [None, "embedding_model: [", "pretrained_path: x"])
def test_a_folder_that_holds_no_embedder_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "hyperparams.yaml").write_text(content)
    with pytest.raises(ModelUnavailableError, match="is no SpeechBrain"):
        SpeechBrainEmbedder(tmp_path)
