"""Any SpeechBrain speaker embedder (ECAPA-TDNN, ResNet, x-vector, ..) from a local folder or a hub id.

Its hyperparams.yaml is code: loading it can run anything. Name only sources you trust.
"""

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from huggingface_hub import snapshot_download
from speechbrain.inference.classifiers import EncoderClassifier
from speechbrain.utils.fetching import LocalStrategy
from speechbrain.utils.importutils import DeprecatedModuleRedirect

from svc.backends.grouping import equal_length_batches
from svc.errors import ModelUnavailableError
from svc.types import MODEL_RATE_HZ, FloatArray

# Its stand-ins for modules it once had come alive, with a warning or an ImportError, as soon as anything looks through
# sys.modules, as inspect, torch.compile and hypothesis do.
for _name in [name for name, module in sys.modules.items() if isinstance(module, DeprecatedModuleRedirect)]:
    del sys.modules[_name]

HYPERPARAMS = "hyperparams.yaml"
MAX_SAMPLES_PER_RUN = 24 * MODEL_RATE_HZ


class _Encoder(EncoderClassifier):  # type: ignore[misc]
    """What makes an embedding; many folders carry no classifier."""

    MODULES_NEEDED = ("compute_features", "mean_var_norm", "embedding_model")


class SpeechBrainEmbedder:
    """Speech to voice embedding by SpeechBrain's own `encode_batch` (an `Embedder`)."""

    runtime = "torch"

    def __init__(self, folder: Path) -> None:
        """Raises ModelUnavailableError when the folder holds no SpeechBrain embedder."""
        self._encoder = _load(folder)
        self.fingerprint = fingerprint_of(folder)
        self.dimension = self._encode(np.zeros((1, MODEL_RATE_HZ), dtype=np.float32)).shape[1]

    def embed(self, clips: Sequence[FloatArray]) -> FloatArray:
        """B clips (N_b,) of at least 0.1 s at 16 kHz, lengths may differ -> (B, D), unit length."""
        embeddings = np.zeros((len(clips), self.dimension), dtype=np.float32)
        for batch in equal_length_batches([len(clip) for clip in clips], budget=MAX_SAMPLES_PER_RUN):
            embeddings[batch] = self._encode(np.stack([clips[index] for index in batch]))
        norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
        unit: FloatArray = embeddings / np.maximum(norms, np.finfo(np.float32).tiny)
        return unit

    def _encode(self, samples: FloatArray) -> FloatArray:
        """(B, N) -> (B, D)."""
        with torch.inference_mode():
            return self._encoder.encode_batch(torch.from_numpy(samples)).squeeze(1).numpy()  # type: ignore[no-any-return]


def fingerprint_of(folder: Path) -> str:
    """16 hex digits over the hyperparameters, front end included, and every checkpoint."""
    digest = hashlib.sha256()
    for path in sorted([folder / HYPERPARAMS, *folder.glob("*.ckpt")]):
        with path.open("rb") as stream:
            digest.update(path.name.encode() + hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]


def speechbrain_folder(source: str, cache_dir: Path, *, offline: bool) -> Path:
    """The local folder of a folder's name or a hub id; a hub's files go to the cache first.

    Raises ModelUnavailableError offline, and when the hub cannot give it.
    """
    if (folder := Path(source).expanduser()).is_dir():
        return folder
    folder = cache_dir / "models" / "speechbrain" / source.replace("/", "--")
    if (folder / HYPERPARAMS).exists():
        return folder
    if offline:
        raise ModelUnavailableError(
            f"offline: neither {source} nor {folder} is a folder; pull it on a networked machine"
        )
    part = folder.with_name(f"{folder.name}.part")
    try:
        # Stays where it is when interrupted: the next attempt resumes.
        snapshot_download(source, local_dir=part, allow_patterns=["*.yaml", "*.ckpt", "*.txt"])
    except Exception as error:  # the hub's client raises its own, requests' and httpx' errors
        raise ModelUnavailableError(f"the hub does not give {source} ({error}); or name a local folder") from error
    part.replace(folder)
    return folder


def _load(folder: Path) -> _Encoder:
    path = folder / HYPERPARAMS
    if not path.is_file():
        raise ModelUnavailableError(f"{folder} is no SpeechBrain model: it holds no {HYPERPARAMS}")
    # A folder copied from the hub names the hub as the place of its checkpoints; they lie beside it.
    named = any(line.startswith("pretrained_path:") for line in path.read_text().splitlines())
    overrides = {"pretrained_path": str(folder)} if named else {}
    try:
        encoder = _Encoder.from_hparams(
            str(folder), savedir=None, overrides=overrides, local_strategy=LocalStrategy.NO_LINK
        )
    except Exception as error:  # whatever the folder's own code raises
        raise ModelUnavailableError(f"{folder} is no SpeechBrain embedder: {error}") from error
    encoder.eval()
    return encoder  # type: ignore[no-any-return]
