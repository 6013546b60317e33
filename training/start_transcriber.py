"""Where a transcriber starts: from chance, standardised or not, from Whisper's encoder, from parts of others."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from faster_whisper.feature_extractor import FeatureExtractor
from torch import Tensor

from svc.artifact import CARD, first_fault
from svc.backends.store import ModelStore
from svc.backends.transcriber_artifact import load_transcriber
from svc.config import default_cache
from svc.errors import ArtifactError, InvalidRequestError
from svc.models.amortised_transformer import AmortisedTransformer
from svc.models.chunked_transformer import ChunkedTransformer
from svc.models.transcriber import Transcriber
from svc.units import Units
from training.checkpoint import CHECKPOINT, Checkpoint, read_checkpoint, weights_digest
from training.data.manifest import TRAIN
from training.pretrained_encoder import start_from_whisper
from training.transcriber_data import TranscriberData

WHISPER = "whisper-tiny.en"
FITTED_UTTERANCES = 400
# In place of the digest of parts.
FROM_NOTHING = "nothing"
SEPARATOR = "separator."
ENCODER = "encoder."


def start_from(start: str, model: Transcriber, data: TranscriberData) -> None:
    """Raises InvalidRequestError when the encoder cannot take that start, ServiceError when it is not pulled."""
    if start == "random":
        return
    if start == "standardised":
        standardise(model)
        return
    if not isinstance(model.encoder, ChunkedTransformer | AmortisedTransformer):
        raise InvalidRequestError(f"start {start!r} needs the transformer encoder or the amortised", field="start")
    chosen = np.random.default_rng(data.seed).permutation(len(data.utterances[TRAIN]))[:FITTED_UTTERANCES]
    spoken = (data.utterances[TRAIN][index] for index in chosen)
    clips = (data.sounds.speech.read(each.utterance_id, 0.0, each.duration_s) for each in spoken)
    filters = FeatureExtractor(feature_size=model.config.num_mels).mel_filters
    start_from_whisper(model.encoder, ModelStore(default_cache()).path(WHISPER), clips, np.asarray(filters, np.float32))


@torch.no_grad()
def standardise(model: Transcriber) -> None:
    """The encoder hears each mel with mean 0 and deviation 1, by the statistics the separator has.

    Raw log-mels are nearly all far below zero: a poor start for an encoder that has no norm before them.
    """
    mean, deviation = model.separator.mean, model.separator.deviation
    model.encoder.input_map.copy_(torch.diag(1 / deviation))
    model.encoder.input_bias.copy_(-mean / deviation)


def take_parts(
    model: Transcriber,
    *,
    separator: Path | None = None,
    recogniser: Path | None = None,
    encoder: Path | None = None,
    units: Units,
) -> None:
    """The separator of one earlier run or artifact, all the rest of another; of a run its averaged weights.

    `encoder`: the encoder alone is of this one, which may know other words. `units`: the model's own. Raises
    ArtifactError when a folder is neither run nor artifact, when its parts are of other sizes, and when the rest spells
    words with other units.
    """
    if separator:
        _take(model, _part(_weights(separator), SEPARATOR), separator)
    if recogniser:
        rest = _weights(recogniser, units)
        _take(model, {name: value for name, value in rest.items() if not name.startswith(SEPARATOR)}, recogniser)
    if encoder:
        _take(model, _part(_weights(encoder), ENCODER), encoder)


def parts_digest(**sources: Path | None) -> str:
    """16 hex digits naming the weights of the sources of `take_parts`; empty without any. Raises ArtifactError."""
    given = [f"{name} {weights_digest(_weights(folder))}" for name, folder in sorted(sources.items()) if folder]
    return hashlib.sha256("\n".join(given).encode()).hexdigest()[:16] if given else ""


def check_start(checkpoint: Checkpoint, started_from: str, run: Path) -> None:
    """Raises ArtifactError when the run is known to have begun with other weights; it goes on without any too."""
    if started_from and checkpoint.started_from not in ("", started_from):
        raise ArtifactError(
            f"run {run} did not begin with the weights that are given: give another --out, or leave them out to go on"
        )


def _part(weights: Mapping[str, Tensor], prefix: str) -> Mapping[str, Tensor]:
    return {name: value for name, value in weights.items() if name.startswith(prefix)}


def _weights(source: Path, units: Units | None = None) -> Mapping[str, Tensor]:
    """Of a training run or an artifact, whose units are compared with those given."""
    if checkpoint := read_checkpoint(source):
        if not checkpoint.averaged:
            raise ArtifactError(f"{source} is no run of training.train_transcriber: it has no averaged weights")
        if units is not None:
            check_spelling(checkpoint, units, source)
        return checkpoint.averaged
    if not (source / CARD).is_file():
        raise ArtifactError(
            f"{source} is neither a training run nor an artifact: it holds no {CHECKPOINT} and no {CARD}"
        )
    artifact = load_transcriber(source)
    if units is not None and artifact.units != units:
        raise ArtifactError(f"artifact {source} spells words with other units: train with those it was made with")
    return artifact.model.state_dict()


def units_digest(units: Units) -> str:
    """16 hex digits naming the pieces and their order."""
    return hashlib.sha256("\n".join(units.pieces).encode()).hexdigest()[:16]


def check_spelling(checkpoint: Checkpoint, units: Units, run: Path) -> None:
    """Raises ArtifactError when the run's ids are known to be those of other words."""
    if checkpoint.units not in ("", units_digest(units)):
        raise ArtifactError(f"run {run} spells words with other units: give those it was started with")


def _take(model: Transcriber, weights: Mapping[str, Tensor], source: Path) -> None:
    try:
        model.load_state_dict({**model.state_dict(), **weights})
    except RuntimeError as error:
        raise ArtifactError(f"the weights of {source} do not fit this model: {first_fault(error)}") from error
