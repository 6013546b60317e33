"""Embeddings a second of 3 s clips in process, against SpeechBrain's ECAPA-TDNN and the same weights in eager torch."""

import os
from collections.abc import Callable
from functools import partial
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from speechbrain.inference.speaker import EncoderClassifier
from speechbrain.lobes.features import Fbank
from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
from speechbrain.processing.features import InputNormalization

from svc.audio.decode import load_waveform
from svc.audio.resample import resample
from svc.backends.batching import BatchingEmbedder
from svc.backends.loading import load_embedder
from svc.backends.protocols import Embedder
from svc.backends.store import ModelStore
from svc.config import ModelConfig
from svc.types import MODEL_RATE_HZ, FloatArray
from tests.bench.timing import Row, take_turns

CLIP_S = 3.0
NUM_CLIPS = 32
NUM_TURNS = 7
BATCHES = (1, 8, 16)
# Multiply-adds of CAM++ on 3 s of speech, twice, as DESIGN.md counts them.
CLIP_GFLOP = 3.38
GEMM_WIDTH = 2048


def measure() -> list[Row]:
    """Contenders take turns; each peer runs at the batch size that suits it best."""
    clips = speech_clips(NUM_CLIPS)
    num_workers = os.cpu_count() or 1
    inner = load_embedder(ModelConfig(), ModelStore(ModelConfig().cache_dir))
    batching = BatchingEmbedder(inner, workers=num_workers, max_batch=8, max_queued_clips=1024)
    eager = load_embedder(ModelConfig(runtime="torch"), ModelStore(ModelConfig().cache_dir))
    contenders: dict[str, Callable[[], int]] = {"equivox": lambda: len(batching.embed(clips)), "gemm": gemm}
    contenders |= {f"eager{size}": partial(in_batches, eager, clips, size) for size in BATCHES}
    ecapa = EcapaPeer()
    contenders |= {f"ecapa{size}": partial(in_batches, ecapa, clips, size) for size in BATCHES}
    turns = take_turns(contenders, num_turns=NUM_TURNS)
    batching.close()
    best_eager, best_ecapa = (max((f"{peer}{size}" for size in BATCHES), key=turns.rate) for peer in ("eager", "ecapa"))
    share = turns.ratio("equivox", "gemm") * CLIP_GFLOP
    return [
        Row(f"Equivox, {inner.runtime}, {num_workers} workers", f"{turns.rate('equivox'):.1f} clips/s"),
        Row(f"same weights, eager torch ({best_eager})", f"{turns.rate(best_eager):.1f} clips/s"),
        Row(f"SpeechBrain ECAPA-TDNN 1024 encode_batch ({best_ecapa})", f"{turns.rate(best_ecapa):.1f} clips/s"),
        Row("Equivox / eager torch", f"{turns.ratio('equivox', best_eager):.2f} x", ">= 1.5 x"),
        Row("Equivox / ECAPA-TDNN", f"{turns.ratio('equivox', best_ecapa):.2f} x", ">= 3 x"),
        Row("fp32 GEMM peak of this machine (torch)", f"{turns.rate('gemm'):.0f} GFLOP/s"),
        Row(f"share of it Equivox turns into embeddings ({CLIP_GFLOP} GFLOP a clip)", f"{share:.0%}"),
    ]


def speech_clips(number: int, *, seed: int = 0) -> list[FloatArray]:
    """3 s pieces at random places of the recording that ships inside pyannote.audio; (48000,) at 16 kHz each."""
    samples = resample(load_waveform(sample_path())).samples
    length = round(CLIP_S * MODEL_RATE_HZ)
    starts = np.random.default_rng(seed).integers(0, len(samples) - length, number)
    return [np.ascontiguousarray(samples[start : start + length]) for start in starts]


def sample_path() -> Path:
    """30 s of two talkers."""
    return Path(str(resources.files("pyannote.audio") / "sample" / "sample.wav"))


def in_batches(embedder: Embedder, clips: list[FloatArray], size: int) -> int:
    """Embeds all clips, `size` at a time."""
    for start in range(0, len(clips), size):
        embedder.embed(clips[start : start + size])
    return len(clips)


def gemm() -> int:
    """GFLOP of one square product on all cores."""
    matrix = torch.ones(GEMM_WIDTH, GEMM_WIDTH)
    for _ in range(4):
        torch.matmul(matrix, matrix)
    return round(4 * 2 * GEMM_WIDTH**3 / 1e9)


class EcapaPeer:
    """speechbrain/spkrec-ecapa-voxceleb's architecture, randomly initialised: the weights do not change the speed."""

    fingerprint, dimension, runtime = "peer", 192, "torch"

    def __init__(self) -> None:
        channels = [1024, 1024, 1024, 1024, 3072]
        modules = {
            "compute_features": Fbank(n_mels=80),
            "mean_var_norm": InputNormalization(norm_type="sentence", std_norm=False),
            "embedding_model": ECAPA_TDNN(80, channels=channels, lin_neurons=192, attention_channels=128),
            "classifier": torch.nn.Identity(),
            "mean_var_norm_emb": torch.nn.Identity(),
        }
        self.classifier = EncoderClassifier(modules=modules, hparams={"label_encoder": None}).eval()

    def embed(self, clips: list[FloatArray]) -> FloatArray:
        """B clips of one length -> (B, 192)."""
        with torch.inference_mode():
            embeddings = self.classifier.encode_batch(torch.from_numpy(np.stack(clips)))  # (B, 1, 192)
        return embeddings[:, 0].numpy()
