"""pyannote segmentation-3.0 (MIT): who of three local speakers talks within ten seconds, overlap included.

Run by torch: ONNX Runtime takes 1.4 times as long on these LSTMs (80 against 55 ms a window on one thread).
"""

import hashlib
import pickle
import warnings
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.torch_version import TorchVersion

from svc.errors import ModelUnavailableError
from svc.types import MODEL_RATE_HZ, FloatArray

with warnings.catch_warnings():
    # torchcodec is never used here, audio comes in memory; where its libraries are missing pyannote says so at length.
    warnings.filterwarnings("ignore", message=r"\s*torchcodec is not installed correctly", category=UserWarning)
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.segmentation import PyanNet

# All that the checkpoint holds besides tensors and plain values.
SAFE_CLASSES = [Problem, Resolution, Specifications, TorchVersion]


class PyannoteSegmenter:
    """The published network behind the Segmenter protocol. Holds no state between calls."""

    def __init__(self, checkpoint: Path) -> None:
        """Raises ModelUnavailableError when the file is missing, corrupt or another model."""
        self.network = load_network(checkpoint)
        self.fingerprint = hashlib.sha256(checkpoint.read_bytes()).hexdigest()[:16]
        specifications = self.network.specifications
        self.window_s = float(specifications.duration)
        self._speakers_of = powerset_table(len(specifications.classes), specifications.powerset_max_classes)
        field = self.network.receptive_field
        self.frame_s = float(field.step)
        # As pyannote reads it: a turn begins at the middle of what its first active frame hears.
        self.frame_offset_s = float(field.start + field.duration / 2)

    def activities(self, windows: FloatArray) -> FloatArray:
        """(B, window_s * 16000) -> (B, F, K), 1 where a local speaker talks, else 0."""
        if windows.ndim != 2 or windows.shape[1] != round(self.window_s * MODEL_RATE_HZ):
            raise ValueError(f"windows must be (B, {round(self.window_s * MODEL_RATE_HZ)}), got {windows.shape}")
        with torch.inference_mode():
            scores = self.network(torch.from_numpy(windows).unsqueeze(1))  # (B, F, 2^K restricted)
        decoded: FloatArray = self._speakers_of[scores.argmax(dim=-1).numpy()]  # (B, F, K)
        return decoded


def powerset_table(num_speakers: int, max_at_once: int) -> FloatArray:
    """(C, K): the speakers in each class, in the order of Plaquet & Bredin, 2023: {}, {0}, {1}, .., {0, 1}, .."""
    classes = [members for size in range(max_at_once + 1) for members in combinations(range(num_speakers), size)]
    table = np.zeros((len(classes), num_speakers), np.float32)
    for row, members in enumerate(classes):
        table[row, list(members)] = 1
    return table


def load_network(checkpoint: Path) -> PyanNet:
    """Builds the network from its checkpoint without running anything the file says: `weights_only` unpickling."""
    try:
        with torch.serialization.safe_globals(SAFE_CLASSES):
            content = torch.load(checkpoint, map_location="cpu", weights_only=True)
        return _build(content)
    except (OSError, EOFError, RuntimeError, KeyError, TypeError, AttributeError, pickle.UnpicklingError) as error:
        remedy = "fetch it again with `equivox models pull pyannote-segmentation-3.0`"
        raise ModelUnavailableError(f"{checkpoint} is not a readable segmentation model ({error}); {remedy}") from error


def _build(content: Mapping[str, Any]) -> PyanNet:
    network = PyanNet(**content["hyper_parameters"])
    network.specifications = content["pyannote.audio"]["specifications"]
    if not network.specifications.powerset:
        raise TypeError("expected a powerset model")
    network.build()
    network.load_state_dict(content["state_dict"])
    return network.eval()
