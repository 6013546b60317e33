"""The CAM++ embedder: its batches, threads and fingerprint; with the pulled weights, parity on real speech."""

import csv
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import kaldi_native_fbank as knf
import numpy as np
import pytest
import torch

from svc.audio.resample import resample
from svc.backends.campplus import CamPlusPlusEmbedder, fingerprint_of, open_graph
from svc.backends.campplus_torch import TorchNetwork, load_campplus
from svc.backends.export import export_embedder
from svc.backends.loading import load_embedder
from svc.backends.lockfile import read_lock
from svc.backends.store import ModelStore
from svc.config import ModelConfig
from svc.errors import ModelUnavailableError
from svc.types import FloatArray
from tests.models.plain_campplus import PlainCamPlusPlus
from tests.models.test_embedder import random_model
from training.data.audio_files import load_waveform

NUM_REAL_CLIPS = 50


def noises(*lengths: int) -> list[FloatArray]:
    generator = np.random.default_rng(0)
    return [0.1 * generator.standard_normal(length, np.float32) for length in lengths]


@pytest.fixture(scope="module")
def embedder() -> CamPlusPlusEmbedder:
    """Small and random, but the whole path."""
    return CamPlusPlusEmbedder(TorchNetwork(random_model()), weights_sha256="0" * 64, architecture=1)


@pytest.fixture(scope="module")
def real_clips(data_root: Path) -> list[FloatArray]:
    """Fifty clips of all channels and rates, up to 3 s each."""
    with (data_root / "manifest.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if float(row["duration_s"]) > 1 and row["corpus"] != "noise"]
    chosen = rows[:: len(rows) // NUM_REAL_CLIPS][:NUM_REAL_CLIPS]
    return [resample(load_waveform(data_root / row["path"])).samples[:48_000] for row in chosen]


def test_a_clip_does_not_depend_on_its_batch(embedder: CamPlusPlusEmbedder) -> None:
    clips = noises(16_000, 8_000, 16_000, 1_600, 40_000)
    alone = np.concatenate([embedder.embed([clip]) for clip in clips])
    np.testing.assert_allclose(embedder.embed(clips), alone, atol=1e-5)


def test_embeddings_are_unit_vectors_even_of_silence(embedder: CamPlusPlusEmbedder) -> None:
    silence = np.zeros(16_000, np.float32)
    embeddings = embedder.embed([*noises(16_000, 9_000), silence])
    assert embeddings.shape == (3, embedder.dimension)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)


def test_loudness_does_not_matter(embedder: CamPlusPlusEmbedder) -> None:
    (clip,) = noises(16_000)
    quieter = (clip / 8).astype(np.float32)
    np.testing.assert_allclose(embedder.embed([quieter]), embedder.embed([clip]), atol=1e-4)


def test_no_clips_make_no_embeddings(embedder: CamPlusPlusEmbedder) -> None:
    assert embedder.embed([]).shape == (0, embedder.dimension)


def test_a_clip_too_short_for_the_front_end_is_refused(embedder: CamPlusPlusEmbedder) -> None:
    with pytest.raises(ValueError, match="at least 1600 samples, got 1599"):
        embedder.embed(noises(1_599))


def test_weights_and_architecture_make_the_fingerprint() -> None:
    prints = {fingerprint_of("a" * 64, 1), fingerprint_of("b" * 64, 1), fingerprint_of("a" * 64, 2)}
    assert len(prints) == 3
    assert all(len(print_) == 16 and int(print_, 16) >= 0 for print_ in prints)


def test_the_shipped_fingerprint_is_not_changed_unawares() -> None:
    """Every stored voiceprint and the calibration carry it: with a new one all voices must be enrolled again."""
    entry = read_lock()["campplus"]
    assert fingerprint_of(entry.sha256, entry.architecture) == "e97dbbafed032372"


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 nor an archive"])
def test_a_corrupt_file_names_its_mend(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    with pytest.raises(ModelUnavailableError, match="equivox models pull campplus --force"):
        load_campplus(path)
    with pytest.raises(ModelUnavailableError, match="equivox models export --force"):
        open_graph(path, threads=1)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save({"linear.weight": torch.zeros(3, 3)}, tmp_path / "weights.pt")
    with pytest.raises(ModelUnavailableError, match="holds no CAM\\+\\+ weights"):
        load_campplus(tmp_path / "weights.pt")


def reference_embeddings(store: ModelStore, clips: Sequence[FloatArray]) -> FloatArray:
    """The published model as its authors run it: their front end's native twin, plain layers, one clip at a time."""
    weights = torch.load(store.path("campplus"), weights_only=True)
    network = PlainCamPlusPlus(weights, (12, 24, 16), (1, 2, 2))
    options = knf.FbankOptions()
    options.frame_opts.dither = 0
    options.mel_opts.num_bins = 80
    embeddings = []
    for clip in clips:
        extractor = knf.OnlineFbank(options)
        extractor.accept_waveform(16_000, clip)
        extractor.input_finished()
        frames = np.stack([extractor.get_frame(index) for index in range(extractor.num_frames_ready)])
        with torch.inference_mode():
            embeddings.append(network(torch.from_numpy(frames - frames.mean(axis=0))).numpy())
    unit: FloatArray = np.stack(embeddings) / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return unit


@pytest.mark.slow
def test_fifty_real_clips_equal_the_reference_path(store: ModelStore, real_clips: list[FloatArray]) -> None:
    export_embedder(store, "campplus")
    embedder = load_embedder(ModelConfig(runtime="onnxruntime"), store)
    cosines = (embedder.embed(real_clips) * reference_embeddings(store, real_clips)).sum(axis=1)
    print(f"{len(cosines)} clips: lowest cosine to the reference path {cosines.min():.7f}")
    assert len(cosines) == NUM_REAL_CLIPS
    assert cosines.min() > 0.9999


@pytest.mark.slow
def test_runtimes_agree_and_share_a_fingerprint(store: ModelStore, real_clips: list[FloatArray]) -> None:
    export_embedder(store, "campplus")
    config = ModelConfig(runtime="onnxruntime")
    fast, eager = (load_embedder(c, store) for c in (config, replace(config, runtime="torch")))
    assert (fast.runtime, eager.runtime) == ("onnxruntime", "torch")
    assert fast.fingerprint == eager.fingerprint
    np.testing.assert_allclose(fast.embed(real_clips[:8]), eager.embed(real_clips[:8]), atol=1e-4)


@pytest.mark.slow
def test_many_threads_share_one_session(store: ModelStore, real_clips: list[FloatArray]) -> None:
    export_embedder(store, "campplus")
    embedder = load_embedder(ModelConfig(runtime="onnxruntime"), store)
    alone = embedder.embed(real_clips[:16])
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda clip: embedder.embed([clip])[0], real_clips[:16]))
    np.testing.assert_allclose(np.stack(together), alone, atol=1e-5)
