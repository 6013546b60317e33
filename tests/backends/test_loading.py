"""Configuration to models: what is missing or wrong says which key or command mends it."""

from pathlib import Path

import pytest
import torch

from svc.backends.loading import decoder_config, load_embedder, load_segmenter, load_transcriber, load_voice_activity
from svc.backends.store import ModelStore
from svc.backends.transcriber import TransducerRecogniser
from svc.backends.transcriber_artifact import save_transcriber
from svc.config import ModelConfig, Runtime, TranscriptionConfig
from svc.errors import ModelNotFoundError, ModelUnavailableError
from svc.models.beam import BeamDecoder
from svc.models.decoding import DecoderConfig
from tests.backends.toy_recogniser import UNITS
from tests.models.toy_transcriber import toy_transcriber


def config_of(folder: Path, *, embedder: str = "campplus", runtime: Runtime = "auto") -> ModelConfig:
    return ModelConfig(cache_dir=folder, offline=True, embedder=embedder, runtime=runtime)


@pytest.mark.parametrize(
    ("embedder", "runtime", "complaint"),
    [
        ("campplus", "auto", "equivox models pull campplus"),
        ("campplus", "onnxruntime", "equivox models export campplus"),
        ("silero-vad", "auto", "names silero-vad, a voice-activity"),
        ("speechbrain:some/model", "onnxruntime", "models.runtime = .*: speechbrain:some/model runs on torch"),
        ("artifact:some", "onnxruntime", "models.runtime = .*: artifact:some runs on torch"),
    ],
)
def test_an_embedder_that_cannot_be_loaded_names_its_mend(
    tmp_path: Path, embedder: str, runtime: Runtime, complaint: str
) -> None:
    config = config_of(tmp_path, embedder=embedder, runtime=runtime)
    with pytest.raises(ModelUnavailableError, match=complaint):
        load_embedder(config, ModelStore(tmp_path))


def test_an_unknown_embedder_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="no model 'ecapa'; there are campplus"):
        load_embedder(config_of(tmp_path, embedder="ecapa"), ModelStore(tmp_path))


def test_a_missing_segmenter_names_its_mend(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="equivox models pull pyannote-segmentation"):
        load_segmenter(config_of(tmp_path), ModelStore(tmp_path))


def test_every_setting_of_decoding_reaches_the_decoder() -> None:
    settings = TranscriptionConfig(beam=3, blank_penalty=0.25, end_of_turn_bonus=-0.5, forget_after_s=1.2)
    expected = DecoderConfig(beam=3, blank_penalty=0.25, end_of_turn_bonus=-0.5, forget_after_frames=30)
    assert decoder_config(settings) == expected


def test_every_setting_of_the_transcriber_reaches_it(tmp_path: Path) -> None:
    save_transcriber(tmp_path, toy_transcriber(), UNITS, {})
    settings = TranscriptionConfig(artifact=tmp_path, beam=3, precision="bfloat16", second_voice_rest_s=2.4)
    recogniser = load_transcriber(settings)
    assert isinstance(recogniser, TransducerRecogniser)
    assert recogniser.rest_after_frames == 60
    assert isinstance(recogniser.decoder, BeamDecoder)
    assert torch.bfloat16 in {weights.dtype for weights in recogniser.model.encoder.parameters()}


@pytest.mark.slow
def test_everything_the_defaults_name_loads(store: ModelStore) -> None:
    config = ModelConfig()
    assert load_embedder(config, store).dimension == 192
    assert load_segmenter(config, store).window_s == 10
    assert load_voice_activity(config, store).frame_s == 0.032
