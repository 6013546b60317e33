"""A speaker embedder of our own training as an artifact: weights, and a card with the network's shape.

Serve it with `models.embedder = "artifact:FOLDER"`; it wants a calibration of its own.
Letters: B clips, T frames, D embedding width.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from svc.artifact import DIGEST_KEY, card_of, first_fault, load_artifact, save_artifact
from svc.backends.campplus import CamPlusPlusEmbedder, fingerprint_of
from svc.backends.campplus_torch import TorchNetwork
from svc.errors import ArtifactError
from svc.models.embedder import CamPlusPlus
from svc.models.embedder_shape import EmbedderShape
from svc.models.group_branches import GroupBranches
from svc.typed_config import parse_config

KIND = "embedder"
# Counts changes of our own code that change what weights compute; part of the fingerprint.
ARCHITECTURE = 1


class VoiceNetwork(nn.Module):
    """The network, and the group branches where it has some."""

    def __init__(self, shape: EmbedderShape) -> None:
        super().__init__()
        self.network = make_network(shape)
        self.branches = GroupBranches(shape.group_branches, shape.network_width) if shape.group_branches else None

    def forward(self, features: Tensor) -> Tensor:
        """(B, T, mels), no padding -> (B, D), of any length."""
        embeddings: Tensor = self.network(features).flatten(1)
        return self.branches(embeddings) if self.branches else embeddings


def make_network(shape: EmbedderShape) -> nn.Module:
    """(B, T, mels) -> (B, D) or (B, 1, D), with random weights."""
    if shape.network == "campplus":
        return CamPlusPlus(shape.campplus)
    from svc.backends.ecapa import make_ecapa  # speechbrain: seconds, and only this network needs it

    return make_ecapa(shape.ecapa)


def save_embedder(folder: Path, weights: Mapping[str, Tensor], shape: EmbedderShape, about: Mapping[str, Any]) -> None:
    """`weights` are a VoiceNetwork's; `about`: what else the card should say, such as data, licence, command.

    Raises ValueError when the weights are not of that shape, or `about` has a key that is the card's own.
    """
    card = card_of(KIND, about, {"shape": asdict(shape)})
    try:
        VoiceNetwork(shape).load_state_dict(dict(weights))
    except RuntimeError as error:
        raise ValueError(f"these are not the weights of {shape}: {error}") from error
    tensors = {name: tensor.detach().cpu().float().numpy() for name, tensor in weights.items()}
    save_artifact(folder, tensors, card)


def fingerprint_of_card(card: Mapping[str, Any]) -> str:
    """Of the embedder that this card's artifact holds, without loading it."""
    return fingerprint_of(str(card[DIGEST_KEY]), ARCHITECTURE)


def load_embedder_artifact(folder: Path) -> CamPlusPlusEmbedder:
    """Ready to run. Raises ArtifactError when it is missing, broken, or not an embedder."""
    artifact = load_artifact(folder)
    artifact.check_kind(KIND, folder)
    try:
        shape = parse_config(EmbedderShape, artifact.card["shape"])
        network = VoiceNetwork(shape)
        # Copied: safetensors gives views of the file's bytes, which torch may not own.
        network.load_state_dict({name: torch.tensor(tensor) for name, tensor in artifact.tensors.items()})
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ArtifactError(
            f"artifact {folder} holds no embedder this release can run: {first_fault(error)}"
        ) from error
    return CamPlusPlusEmbedder(
        TorchNetwork(network.eval()),
        weights_sha256=artifact.card[DIGEST_KEY],
        architecture=ARCHITECTURE,
        dimension=shape.width,
    )
