"""The exported graph computes what torch computes, at every length; one that does not is refused."""

from pathlib import Path

import numpy as np
import pytest

from svc.backends.campplus import OnnxNetwork, open_graph
from svc.backends.campplus_torch import TorchNetwork
from svc.backends.export import check_parity, export_embedder, write_graph
from svc.backends.store import ModelStore
from svc.errors import ModelNotFoundError, ModelUnavailableError
from tests.models.test_embedder import random_model


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> OnnxNetwork:
    path = tmp_path_factory.mktemp("export") / "small.onnx"
    write_graph(random_model(), path)
    return open_graph(path, threads=1)


@pytest.mark.parametrize(("batch", "num_frames"), [(1, 8), (3, 199), (1, 200), (2, 201), (1, 999)])
def test_the_graph_equals_the_network_at_any_size(graph: OnnxNetwork, batch: int, num_frames: int) -> None:
    features = np.random.default_rng(0).standard_normal((batch, num_frames, 80), np.float32)
    np.testing.assert_allclose(graph.run(features), TorchNetwork(random_model()).run(features), atol=1e-4)


def test_a_graph_of_other_weights_fails_the_parity_check(graph: OnnxNetwork) -> None:
    other = random_model.__wrapped__()
    assert check_parity(other, graph) < 1e-4
    other.xvector.dense.linear.weight.data *= 1.1
    with pytest.raises(ModelUnavailableError, match="differs from torch"):
        check_parity(other, graph)


def test_only_embedders_are_exported(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="silero-vad is a voice-activity"):
        export_embedder(ModelStore(tmp_path), "silero-vad")
