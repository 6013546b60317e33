"""A verifier on dev talkers while it trains: EER over all, and in each group.

Letters: n cuts, D embedding width, G groups.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from torch import Tensor
from torch.nn import functional as F

from training.data.speaker_schedule import IntArray
from training.embedder_data import Validation
from training.metrics.verification import equal_error_rate

BoolArray = npt.NDArray[np.bool_]


def validation_figures(embeddings: Tensor, dev: Validation, group_names: Sequence[str]) -> dict[str, float]:
    """(n, D) of any length -> EER as a fraction; in a group that has no trial of a kind, none is told."""
    unit = F.normalize(embeddings.double(), dim=-1).cpu().numpy()
    first, second = np.triu_indices(len(unit), k=1)
    compared = (dev.within[first] == dev.within[second]) & (dev.within[first] >= 0)
    first, second = first[compared], second[compared]
    cosines = np.einsum("td,td->t", unit[first], unit[second])
    same = dev.speakers[first] == dev.speakers[second]
    figures = _eer("eer", cosines, same)
    for number, name in enumerate(group_names):
        inside = _both(dev.groups == number, first, second)
        figures |= _eer(f"eer {name}", cosines[inside], same[inside])
    return figures


def _both(member: BoolArray, first: IntArray, second: IntArray) -> BoolArray:
    inside: BoolArray = member[first] & member[second]
    return inside


def _eer(name: str, cosines: npt.NDArray[np.float64], same: BoolArray) -> dict[str, float]:
    if same.all() or not same.any():
        return {}
    return {name: equal_error_rate(cosines[same], cosines[~same])}
