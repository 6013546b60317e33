"""The layout for ONNX Runtime computes what the network computes."""

import pytest
import torch

from svc.backends.graph import WideCamPlusPlus
from tests.models.test_embedder import random_model


@pytest.mark.parametrize("num_frames", [8, 201, 450])
def test_the_wide_layout_equals_the_network(num_frames: int) -> None:
    model = random_model()
    features = torch.randn(2, num_frames, 80)
    with torch.inference_mode():
        torch.testing.assert_close(WideCamPlusPlus(model)(features), model(features), atol=1e-5, rtol=1e-4)
