"""Writes an embedder as an ONNX graph and proves that it computes what torch computes."""

import warnings
from pathlib import Path

import numpy as np
import torch

from svc.audio.filterbank import FilterbankConfig
from svc.backends.campplus import OnnxNetwork, open_graph
from svc.backends.campplus_torch import TorchNetwork, load_campplus
from svc.backends.graph import WideCamPlusPlus
from svc.backends.store import ModelStore
from svc.errors import ModelNotFoundError, ModelUnavailableError
from svc.models.embedder import CamPlusPlus
from svc.types import FloatArray

OPSET = 18
# Largest difference of any number of the raw embedding, whose numbers are of the order of 1.
MAX_DIFFERENCE = 1e-4
# Frames: within a segment, 3 s, several segments with an odd rest.
PROBE_FRAMES = (98, 298, 701)


def export_embedder(store: ModelStore, name: str, *, force: bool = False) -> Path:
    """Writes the graph into the store, unless a good one is there, and checks parity before it counts.

    Raises ModelNotFoundError for a model that has no export and ModelUnavailableError without weights or parity.
    """
    entry = store.entry(name)
    if entry.role != "embedder":
        raise ModelNotFoundError(f"{name} is a {entry.role}; only embedders are exported", field="model")
    if not force and (graph := store.exported(name)) is not None:
        return graph
    model = load_campplus(store.path(name))

    def write(path: Path) -> None:
        write_graph(model, path)
        check_parity(model, open_graph(path, threads=1))

    return store.add_export(name, write)


def write_graph(model: CamPlusPlus, path: Path) -> None:
    """The network without masks, dynamic in batch and frames: input `features`, output `embedding`."""
    probe = torch.zeros(2, PROBE_FRAMES[1], FilterbankConfig().num_mels)
    with warnings.catch_warnings(), torch.inference_mode():
        # The tracing exporter keeps sizes that are computed from the frames dynamic. It says often that it is old.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            WideCamPlusPlus(model), (probe,), str(path), dynamo=False, opset_version=OPSET,
            input_names=["features"], output_names=["embedding"],
            dynamic_axes={"features": {0: "batch", 1: "frames"}, "embedding": {0: "batch"}},
        )  # fmt: skip


def check_parity(model: CamPlusPlus, graph: OnnxNetwork) -> float:
    """The largest difference over the probes. Raises ModelUnavailableError past 1e-4."""
    eager, generator = TorchNetwork(model), np.random.default_rng(0)
    worst = max(_difference(eager, graph, generator.standard_normal((2, n, 80), np.float32)) for n in PROBE_FRAMES)
    if not worst <= MAX_DIFFERENCE:
        raise ModelUnavailableError(f"the exported graph differs from torch by {worst:.1e}, more than {MAX_DIFFERENCE}")
    return worst


def _difference(eager: TorchNetwork, graph: OnnxNetwork, features: FloatArray) -> float:
    return float(np.abs(eager.run(3 * features) - graph.run(3 * features)).max())
