"""From configuration to loaded models: the one place that picks a backend, and imports it only then."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from svc.backends.protocols import (
    Embedder,
    OpenVocabularyRecogniser,
    Segmenter,
    StreamRecogniser,
    VoiceActivityDetector,
)
from svc.backends.store import ModelStore
from svc.config import ModelConfig, TranscriptionConfig
from svc.errors import ModelUnavailableError

if TYPE_CHECKING:
    from svc.models.decoding import DecoderConfig

SHIPPED = Path(__file__).parents[1] / "artifacts"
WHISPER = "whisper-tiny.en"
SPEECHBRAIN_PREFIX = "speechbrain:"
ARTIFACT_PREFIX = "artifact:"


def load_embedder(config: ModelConfig, store: ModelStore) -> Embedder:
    """The embedder `config` names. It runs on the caller's thread and scales with callers.

    Raises ModelUnavailableError when its file is missing, or when ONNX Runtime is asked for without an exported graph,
    and ArtifactError when it is an artifact that is missing or broken.
    """
    if config.runtime == "onnxruntime" and config.embedder.startswith((SPEECHBRAIN_PREFIX, ARTIFACT_PREFIX)):
        raise ModelUnavailableError(
            f'models.runtime = "onnxruntime": {config.embedder} runs on torch alone; leave models.runtime out'
        )
    if config.embedder.startswith(SPEECHBRAIN_PREFIX):
        return _load_speechbrain(config)
    if folder := embedder_folder(config):
        from svc.backends.embedder_artifact import load_embedder_artifact  # torch: seconds

        return load_embedder_artifact(folder)
    from svc.backends.campplus import CamPlusPlusEmbedder, Network, open_graph  # onnxruntime

    entry = store.entry(config.embedder)
    if entry.role != "embedder":
        raise ModelUnavailableError(f"models.embedder names {entry.name}, a {entry.role}")
    graph = store.exported(entry.name) if config.runtime != "torch" else None
    if graph is None and config.runtime == "onnxruntime":
        raise ModelUnavailableError(f"{entry.name} has no exported graph; write it: equivox models export {entry.name}")
    network: Network
    if graph is not None:
        network = open_graph(graph, threads=1)
    else:
        from svc.backends.campplus_torch import TorchNetwork, load_campplus  # torch: seconds, and not needed above

        network = TorchNetwork(load_campplus(store.path(entry.name)))
    return CamPlusPlusEmbedder(network, weights_sha256=entry.sha256, architecture=entry.architecture)


def _load_speechbrain(config: ModelConfig) -> Embedder:
    from svc.backends.speechbrain import SpeechBrainEmbedder, speechbrain_folder  # torch and speechbrain: seconds

    source = config.embedder.removeprefix(SPEECHBRAIN_PREFIX)
    return SpeechBrainEmbedder(speechbrain_folder(source, config.cache_dir, offline=config.offline))


def embedder_folder(config: ModelConfig) -> Path | None:
    """The folder of an embedder of one's own training, where one is configured."""
    if not config.embedder.startswith(ARTIFACT_PREFIX):
        return None
    return Path(config.embedder.removeprefix(ARTIFACT_PREFIX)).expanduser()


def load_voice_activity(config: ModelConfig, store: ModelStore) -> VoiceActivityDetector:
    """silero-vad. Raises ModelUnavailableError when its file is missing."""
    from svc.backends.silero import SileroVoiceActivity  # onnxruntime

    return SileroVoiceActivity(store.path("silero-vad"))


def load_segmenter(config: ModelConfig, store: ModelStore) -> Segmenter:
    """pyannote segmentation. Raises ModelUnavailableError when its file is missing."""
    weights = store.path("pyannote-segmentation-3.0")  # first: what is missing should be said at once
    from svc.backends.pyannote import PyannoteSegmenter  # torch and pyannote.audio: seconds

    return PyannoteSegmenter(weights)


def transcriber_folder(config: TranscriptionConfig) -> Path | None:
    """The transcriber's artifact: the configured one, else the one shipped, else none."""
    return config.artifact or next(iter(sorted(SHIPPED.glob("transcriber-*"))), None)


def transcriber_compute_toml(folder: Path) -> str:
    """What a transcriber's card does not say: see svc.backends.transcriber_artifact."""
    from svc.backends.transcriber_artifact import compute_toml  # torch: seconds

    return compute_toml(folder)


def load_transcriber(config: TranscriptionConfig) -> StreamRecogniser[Any]:
    """Raises ModelUnavailableError when there is none, ArtifactError when it is broken."""
    folder = transcriber_folder(config)
    if folder is None:
        raise ModelUnavailableError(
            "no transcriber is shipped: set transcription.artifact to a folder made by "
            "`python -m training.export_transcriber`"
        )
    from svc.backends.transcriber import load_recogniser  # torch: seconds

    return load_recogniser(
        folder,
        decoder_config(config),
        precision=config.precision,
        rest_after_frames=round(config.second_voice_rest_s / frame_s()),
    )


def decoder_config(config: TranscriptionConfig) -> "DecoderConfig":
    """How streams are decoded."""
    from svc.models.decoding import DecoderConfig  # torch

    return DecoderConfig(
        beam=config.beam,
        blank_penalty=config.blank_penalty,
        end_of_turn_bonus=config.end_of_turn_bonus,
        forget_after_frames=round(config.forget_after_s / frame_s()),
    )


def frame_s() -> float:
    """What one of a transcriber's frames covers."""
    from svc.models.encoder import Encoder  # torch
    from svc.models.transcriber import HOP_S

    return HOP_S * Encoder.stride_frames


def load_open_vocabulary(store: ModelStore) -> OpenVocabularyRecogniser:
    """Whisper, for the second pass. Raises ModelUnavailableError when a file is missing."""
    weights = store.path(WHISPER)
    from svc.backends.whisper import WhisperRecogniser  # ctranslate2: a second, and only the second pass needs it

    return WhisperRecogniser(weights)
