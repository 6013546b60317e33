"""CAM++ written down once more as plainly as the paper reads, for one clip: the oracle of svc.models.embedder."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F


class PlainCamPlusPlus:
    """No modules, masks or shared pooling: a function of the weights."""

    def __init__(self, weights: Mapping[str, Tensor], layers: tuple[int, ...], dilations: tuple[int, ...]) -> None:
        self.weights, self.layers, self.dilations = weights, layers, dilations

    def __call__(self, features: Tensor) -> Tensor:
        """(T, mels) -> (D,)."""
        hidden = self.head(features.T[None, None])  # (1, C, T)
        hidden = self.norm_relu(self.conv(hidden, "xvector.tdnn.linear", stride=2, padding=2), "xvector.tdnn.nonlinear")
        for number, (count, dilation) in enumerate(zip(self.layers, self.dilations, strict=True), 1):
            for layer in range(1, count + 1):
                hidden = self.layer(hidden, f"xvector.block{number}.tdnnd{layer}", dilation)
            hidden = self.norm_relu(hidden, f"xvector.transit{number}.nonlinear")
            hidden = self.conv(hidden, f"xvector.transit{number}.linear")
        hidden = self.norm_relu(hidden, "xvector.out_nonlinear")
        statistics = torch.cat([hidden.mean(-1), hidden.std(-1, unbiased=True)], dim=1)  # (1, 2C)
        embedding = self.conv(statistics[:, :, None], "xvector.dense.linear")[:, :, 0]
        return self.norm(embedding, "xvector.dense.nonlinear.batchnorm")[0]

    def head(self, image: Tensor) -> Tensor:
        image = self.image_step(image, "head.conv1", "head.bn1", stride=1)
        for block in ("head.layer1.0", "head.layer1.1", "head.layer2.0", "head.layer2.1"):
            stride = 2 if block.endswith("0") else 1
            inner = self.image_step(image, f"{block}.conv1", f"{block}.bn1", stride=stride)
            inner = self.norm(self.conv(inner, f"{block}.conv2", padding=1), f"{block}.bn2")
            if stride == 2:
                image = self.conv(image, f"{block}.shortcut.0", stride=(2, 1))
                image = self.norm(image, f"{block}.shortcut.1")
            image = F.relu(inner + image)
        return self.image_step(image, "head.conv2", "head.bn2", stride=2).flatten(1, 2)

    def image_step(self, image: Tensor, conv: str, norm: str, *, stride: int) -> Tensor:
        return F.relu(self.norm(self.conv(image, conv, stride=(stride, 1), padding=1), norm))

    def layer(self, hidden: Tensor, name: str, dilation: int) -> Tensor:
        narrow = self.conv(self.norm_relu(hidden, f"{name}.nonlinear1"), f"{name}.linear1")
        narrow = self.norm_relu(narrow, f"{name}.nonlinear2")
        local = self.conv(narrow, f"{name}.cam_layer.linear_local", padding=dilation, dilation=dilation)
        segments = F.avg_pool1d(narrow, 100, 100, ceil_mode=True).repeat_interleave(100, dim=-1)
        context = narrow.mean(-1, keepdim=True) + segments[..., : narrow.shape[-1]]  # (1, C, U)
        inner = F.relu(self.conv(context, f"{name}.cam_layer.linear1"))
        gate = torch.sigmoid(self.conv(inner, f"{name}.cam_layer.linear2"))
        return torch.cat([hidden, local * gate], dim=1)

    def conv(self, hidden: Tensor, name: str, **options: int | tuple[int, int]) -> Tensor:
        weight, bias = self.weights[f"{name}.weight"], self.weights.get(f"{name}.bias")
        convolve = F.conv2d if weight.dim() == 4 else F.conv1d
        return convolve(hidden, weight, bias, **options)  # type: ignore[arg-type]

    def norm(self, hidden: Tensor, name: str) -> Tensor:
        mean, variance = self.weights[f"{name}.running_mean"], self.weights[f"{name}.running_var"]
        return F.batch_norm(
            hidden, mean, variance, self.weights.get(f"{name}.weight"), self.weights.get(f"{name}.bias")
        )

    def norm_relu(self, hidden: Tensor, name: str) -> Tensor:
        return F.relu(self.norm(hidden, f"{name}.batchnorm"))
