"""Where a transcriber starts: from chance, standardised or not, from Whisper's encoder, from parts of earlier runs."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from faster_whisper.feature_extractor import FeatureExtractor
from torch import Tensor

from svc.backends.store import ModelStore
from svc.config import default_cache
from svc.errors import ArtifactError, InvalidRequestError
from svc.models.chunked_transformer import ChunkedTransformer
from svc.models.transcriber import Transcriber
from training.checkpoint import existing_checkpoint
from training.data.manifest import TRAIN
from training.pretrained_encoder import start_from_whisper
from training.transcriber_data import TranscriberData

WHISPER = "whisper-tiny.en"
FITTED_UTTERANCES = 400
SEPARATOR = "separator."


def start_from(start: str, model: Transcriber, data: TranscriberData) -> None:
    """Raises InvalidRequestError when the encoder cannot take that start, ServiceError when it is not pulled."""
    if start == "random":
        return
    if start == "standardised":
        standardise(model)
        return
    if not isinstance(model.encoder, ChunkedTransformer):
        raise InvalidRequestError(f"start {start!r} needs the transformer encoder", field="start")
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


def take_parts(model: Transcriber, *, separator: Path | None, recogniser: Path | None) -> None:
    """The averaged weights of earlier runs: the separator of one, all the rest of another.

    Raises ArtifactError when a run has no checkpoint or its parts are of other sizes.
    """
    if separator:
        _take(
            model, {name: value for name, value in _weights(separator).items() if name.startswith(SEPARATOR)}, separator
        )
    if recogniser:
        rest = {name: value for name, value in _weights(recogniser).items() if not name.startswith(SEPARATOR)}
        _take(model, rest, recogniser)


def _weights(run: Path) -> Mapping[str, Tensor]:
    return existing_checkpoint(run).averaged


def _take(model: Transcriber, weights: Mapping[str, Tensor], run: Path) -> None:
    try:
        model.load_state_dict({**model.state_dict(), **weights})
    except RuntimeError as error:
        raise ArtifactError(f"the weights of {run} do not fit this model: {error}") from error
