"""CAM++ on torch: loads the published weights; runs eagerly where no exported graph is at hand."""

import pickle
from pathlib import Path

import torch
from torch import nn

from svc.errors import ModelUnavailableError
from svc.models.embedder import CamPlusPlus
from svc.types import FloatArray


class TorchNetwork:
    """The eager network (a `Network`). torch's thread count is the process's, so it is left as the caller set it."""

    runtime = "torch"

    def __init__(self, model: nn.Module) -> None:
        self._model = model

    def run(self, features: FloatArray) -> FloatArray:
        """(B, T, mels), no padding -> (B, D)."""
        with torch.inference_mode():
            return self._model(torch.from_numpy(features)).numpy()  # type: ignore[no-any-return]


def load_campplus(weights: Path) -> CamPlusPlus:
    """The published weights in our architecture, ready to run. Raises ModelUnavailableError when they do not fit."""
    model = CamPlusPlus()
    try:
        # weights_only: a file from elsewhere is data, never code.
        model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True), strict=True)
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError) as error:
        raise ModelUnavailableError(
            f"{weights} holds no CAM++ weights ({error}); fetch them: equivox models pull campplus --force"
        ) from error
    return model.eval()
