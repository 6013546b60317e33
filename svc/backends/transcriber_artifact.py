"""The transcriber as an artifact: weights in float16, and a card with the whole configuration and the vocabulary."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from svc.artifact import card_of, first_fault, load_artifact, read_card, save_artifact
from svc.errors import ArtifactError
from svc.models.encoders import build_encoder
from svc.models.transcriber import Transcriber, TranscriberConfig
from svc.typed_config import parse_config
from svc.units import Units

KIND = "transcriber"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TranscriberArtifact:
    """What was loaded. `fingerprint` names weights, configuration and vocabulary. `turn_tokens`: see DecoderConfig."""

    model: Transcriber
    units: Units
    fingerprint: str
    card: Mapping[str, Any]
    card_toml: str
    turn_tokens: bool = True


def save_transcriber(
    folder: Path, model: Transcriber, units: Units, about: Mapping[str, Any], *, turn_tokens: bool = True
) -> None:
    """`about`: whatever else the card should say, such as data, licence, command and figures. `turn_tokens`: whether
    the model learnt them.

    Raises ValueError when the vocabulary is not the model's, or `about` has a key that is the card's own.
    """
    if len(units) != model.config.num_tokens:
        raise ValueError(f"the model has {model.config.num_tokens} tokens, the vocabulary {len(units)}")
    card = card_of(KIND, about, {"units": units.pieces, "turn_tokens": turn_tokens, "config": asdict(model.config)})
    # A batch norm's count of batches serves training alone, and soon is more than float16 can hold.
    weights = {name: tensor for name, tensor in model.state_dict().items() if tensor.is_floating_point()}
    tensors = {name: tensor.detach().cpu().float().numpy() for name, tensor in weights.items()}
    save_artifact(folder, tensors, card, half=True)


def compute_toml(folder: Path) -> str:
    """A table for the end of its card: what the encoder computes for a second of one channel's audio, at most and, for
    one that skips work, at least. It follows from the configuration, so no card holds it.

    Raises ArtifactError when the card is missing, broken, or not a transcriber's.
    """
    read = read_card(folder)
    read.check_kind(KIND, folder)
    try:
        config = parse_config(TranscriberConfig, read.card["config"])
        with torch.device("meta"):  # shapes without weights
            encoder = build_encoder(config.encoder, config.num_mels)
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"artifact {folder} holds no transcriber this release can run: {first_fault(error)}"
        ) from error
    figures = {"encoder_flops_per_s": encoder.flops_per_s, "least_encoder_flops_per_s": encoder.least_flops_per_s}
    return "\n[compute]\n" + "".join(f"{name} = {value}\n" for name, value in figures.items())


def load_transcriber(folder: Path) -> TranscriberArtifact:
    """The model in float32, ready to run. Raises ArtifactError when it is missing, broken, or not a transcriber."""
    artifact = load_artifact(folder)
    artifact.check_kind(KIND, folder)
    try:
        units = Units(tuple(artifact.card["units"]))
        model = Transcriber(parse_config(TranscriberConfig, artifact.card["config"]))
        # Copied: safetensors gives views of the file's bytes, which torch may not own.
        model.load_state_dict({name: torch.tensor(tensor) for name, tensor in artifact.tensors.items()})
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ArtifactError(
            f"artifact {folder} holds no transcriber this release can run: {first_fault(error)}"
        ) from error
    if len(units) != model.config.num_tokens:
        raise ArtifactError(f"artifact {folder}: {model.config.num_tokens} tokens, but units for {len(units)}")
    # Cards from before there were models that learn words alone do not say.
    turn_tokens = artifact.card.get("turn_tokens", True)
    if not isinstance(turn_tokens, bool):
        raise ArtifactError(f"artifact {folder}: turn_tokens must be true or false, got {turn_tokens!r}")
    return TranscriberArtifact(
        model=model.eval(),
        units=units,
        fingerprint=artifact.digest,
        card=artifact.card,
        card_toml=artifact.card_toml,
        turn_tokens=turn_tokens,
    )
