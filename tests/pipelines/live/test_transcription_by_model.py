"""Live streams through the real model code, batched, with random weights: nonsense words, but the same ones always."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from svc.backends.loading import load_transcriber
from svc.backends.stream_batching import StreamBatcher
from svc.backends.stream_scheduler import StreamBatchingConfig
from svc.backends.transcriber_artifact import save_transcriber
from svc.config import TranscriptionConfig
from svc.errors import ArtifactError
from svc.models.chunked_transformer import ChunkedTransformerConfig
from svc.models.encoders import EncoderConfig
from svc.models.separator import SeparatorConfig
from svc.models.transcriber import Transcriber, TranscriberConfig
from svc.models.transducer import PredictorConfig
from svc.pipelines.identification import Identifier
from svc.pipelines.live.stream_opening import LiveConfig, LiveParts, StreamOpener
from svc.pipelines.live.transcription import StreamOptions
from svc.pipelines.live.transcription_events import TranscriptionEvent
from svc.types import FloatArray
from svc.units import SPECIAL_TOKENS, Units
from tests.pipelines.live.attributed_stream import Account, identifying
from tests.pipelines.live.label_voices import calibration
from tests.pipelines.toy_voices import HumEmbedder, hum, turn

UNITS = Units(("\u2581one", "\u2581two", "\u2581thr", "ee"))
SOUNDS = [
    hum([turn(0.2, 1.1, person), turn(0.8, 1.7, person + 1)], duration_s=1.9, noise=0.02).samples for person in range(3)
]
OPTIONS = StreamOptions(sample_rate_hz=16_000, partials=False)


TRANSFORMER = EncoderConfig(
    transformer=ChunkedTransformerConfig(block_width=16, num_heads=2, num_layers=2, left_context_frames=10, width=12)
)


def folder_of(tmp_path: Path, encoder: EncoderConfig = TRANSFORMER, *, reluctance: float = 0.0) -> Path:
    """`reluctance`, in nats, to say anything but words."""
    torch.manual_seed(3)
    config = TranscriberConfig(
        num_tokens=len(UNITS),
        separator=SeparatorConfig(hidden_width=16),
        encoder=encoder,
        predictor=PredictorConfig(width=8),
        joint_width=8,
    )
    model = Transcriber(config)
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(2.0)  # or blank wins everywhere
        model.joint.output.bias[: len(SPECIAL_TOKENS)] -= reluctance
    save_transcriber(tmp_path / "model", model, UNITS, {"name": "toy"})
    return tmp_path / "model"


@pytest.fixture
def opener(tmp_path: Path) -> Iterator[StreamOpener]:
    recogniser = load_transcriber(TranscriptionConfig(artifact=folder_of(tmp_path)))
    batcher: StreamBatcher[Any] = StreamBatcher(recogniser, StreamBatchingConfig())
    with identifying(tmp_path) as identifier:
        yield StreamOpener(parts_of(batcher, identifier), LiveConfig(voice_threads=0))
    batcher.close()


def parts_of(batcher: StreamBatcher[Any], identifier: Identifier) -> LiveParts:
    return LiveParts(
        open_session=batcher.open,
        fingerprint=batcher.recogniser.fingerprint,
        algorithmic_latency_s=batcher.recogniser.algorithmic_latency_s,
        embedder=HumEmbedder(),
        calibration=calibration(),
        identifier=identifier,
    )


def run(opener: StreamOpener, samples: FloatArray, cuts: Sequence[int] = ()) -> list[TranscriptionEvent]:
    stream = opener.open(OPTIONS)
    events = [event for piece in np.split(samples, cuts) for event in stream.push(piece)]
    return events + stream.close()


def test_chunking_never_changes_what_the_model_says(opener: StreamOpener) -> None:
    whole = run(opener, SOUNDS[0])
    assert sum(map(len, Account().read(whole).texts())) > 3
    for size in (640, 3_000, 20_000):
        assert run(opener, SOUNDS[0], list(range(size, len(SOUNDS[0]), size))) == whole


@pytest.mark.slow
def test_streams_of_one_batch_do_not_touch_each_other(opener: StreamOpener) -> None:
    alone = [run(opener, samples) for samples in SOUNDS]
    with ThreadPoolExecutor(len(SOUNDS)) as pool:
        sizes = (500, 2_500, 8_000)
        running = [
            pool.submit(run, opener, samples, list(range(size, len(samples), size)))
            for samples, size in zip(SOUNDS, sizes, strict=True)
        ]
    assert [each.result() for each in running] == alone


def test_a_broken_artifact_is_named(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    (folder / "card.toml").write_text("kind = ")
    with pytest.raises(ArtifactError, match="model"):
        load_transcriber(TranscriptionConfig(artifact=folder))
