"""The CAM++ speaker embedder, on ONNX Runtime when exported, else on torch.

Importing this module does not import torch; `svc.backends.loading` decides what is needed.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime as ort

from svc.audio.filterbank import Filterbank, FilterbankConfig
from svc.backends.grouping import equal_length_batches
from svc.errors import ModelUnavailableError
from svc.types import FloatArray

DIMENSION = 192
FRONT_END = FilterbankConfig()
# Bounds the memory of one run: eight clips of 3 s, or one of 24 s and more.
MAX_FRAMES_PER_RUN = 2400
MIN_CLIP_SAMPLES = 1600


class Network(Protocol):
    """Features to raw embeddings. Safe to call from several threads at once."""

    @property
    def runtime(self) -> str:
        """onnxruntime or torch."""
        ...

    def run(self, features: FloatArray) -> FloatArray:
        """(B, T, mels), no padding -> (B, D)."""
        ...


class OnnxNetwork:
    """An exported graph. With one thread it runs on the caller's thread and scales with callers."""

    runtime = "onnxruntime"

    def __init__(self, path: Path, *, threads: int) -> None:
        self._session = ort.InferenceSession(str(path), session_options(threads), providers=["CPUExecutionProvider"])

    def run(self, features: FloatArray) -> FloatArray:
        """(B, T, mels), no padding -> (B, D)."""
        (embeddings,) = self._session.run(["embedding"], {"features": features})
        return embeddings  # type: ignore[no-any-return]


def session_options(threads: int) -> ort.SessionOptions:
    """Options for a session that many threads share; 0 threads = one per core."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Lengths differ from call to call: a plan kept per length would be memory that only grows.
    options.enable_mem_pattern = False
    # Idle workers that spin take the cores from those that work.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


class CamPlusPlusEmbedder:
    """Speech to a voice embedding (an `Embedder`), by CAM++ or another network on the same front end.

    Any number of threads may call it at once; a run of the network takes clips of one length (see `grouping`).
    """

    def __init__(self, network: Network, *, weights_sha256: str, architecture: int, dimension: int = DIMENSION) -> None:
        self.dimension = dimension
        self.fingerprint = fingerprint_of(weights_sha256, architecture)
        self.runtime = network.runtime
        self._network = network
        self._filterbank = Filterbank(FRONT_END)

    def embed(self, clips: Sequence[FloatArray]) -> FloatArray:
        """B clips (N_b,) of at least 0.1 s at 16 kHz, lengths may differ -> (B, D), unit length."""
        features = [self.features(clip) for clip in clips]
        embeddings = np.zeros((len(clips), self.dimension), dtype=np.float32)
        for batch in equal_length_batches([len(frames) for frames in features], budget=MAX_FRAMES_PER_RUN):
            embeddings[batch] = self._network.run(np.stack([features[index] for index in batch]))
        norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
        unit: FloatArray = embeddings / np.maximum(norms, np.finfo(np.float32).tiny)
        return unit

    def features(self, clip: FloatArray) -> FloatArray:
        """(N,) -> (T, mels) log-mel energies with the clip's mean removed, as the model was trained."""
        if len(clip) < MIN_CLIP_SAMPLES:
            raise ValueError(f"a clip to embed needs at least {MIN_CLIP_SAMPLES} samples, got {len(clip)}")
        frames = self._filterbank(clip)
        centred: FloatArray = frames - frames.mean(axis=0)
        return centred


def fingerprint_of(weights_sha256: str, architecture: int) -> str:
    """16 hex digits for weights, front end and the code between them; runtimes are at parity, so they share it."""
    return hashlib.sha256(f"{weights_sha256} {FRONT_END!r} {architecture}".encode()).hexdigest()[:16]


def open_graph(path: Path, *, threads: int) -> OnnxNetwork:
    """Loads an exported graph. Raises ModelUnavailableError when ONNX Runtime cannot read it."""
    try:
        return OnnxNetwork(path, threads=threads)
    except Exception as error:  # the runtime's exceptions share no public base class
        remedy = "write it anew: equivox models export --force"
        raise ModelUnavailableError(f"{path} is no graph: {error}; {remedy}") from error
