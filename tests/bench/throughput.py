"""Embeddings a second of 3 s clips in process, against SpeechBrain's ECAPA-TDNN and the same weights in eager torch."""

import os
from functools import partial

import torch

from svc.backends.batching import BatchingEmbedder
from svc.backends.loading import load_embedder
from svc.backends.protocols import Embedder
from svc.backends.store import ModelStore
from svc.config import ModelConfig
from svc.types import FloatArray
from tests.bench.clips import speech_clips
from tests.bench.ecapa import EcapaPeer
from tests.bench.timing import Row, take_turns

NUM_CLIPS = 16
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
    ecapa = EcapaPeer()
    eager_batch, ecapa_batch = best_batch(eager, clips), best_batch(ecapa, clips)
    turns = take_turns(
        {
            "equivox": lambda: len(batching.embed(clips)),
            "eager": lambda: in_batches(eager, clips, eager_batch),
            "ecapa": lambda: in_batches(ecapa, clips, ecapa_batch),
            "gemm": gemm,
        },
        num_turns=NUM_TURNS,
    )
    batching.close()
    share = turns.ratio("equivox", "gemm") * CLIP_GFLOP
    return [
        Row(f"Equivox, {inner.runtime}, {num_workers} workers", f"{turns.rate('equivox'):.1f} clips/s"),
        Row(f"same weights, eager torch (batches of {eager_batch})", f"{turns.rate('eager'):.1f} clips/s"),
        Row(
            f"SpeechBrain ECAPA-TDNN 1024 encode_batch (batches of {ecapa_batch})", f"{turns.rate('ecapa'):.1f} clips/s"
        ),
        Row("Equivox / eager torch", f"{turns.ratio('equivox', 'eager'):.2f} x", ">= 1.5 x"),
        Row("Equivox / ECAPA-TDNN", f"{turns.ratio('equivox', 'ecapa'):.2f} x", ">= 3 x"),
        Row("fp32 GEMM peak of this machine (torch)", f"{turns.rate('gemm'):.0f} GFLOP/s"),
        Row(f"share of it Equivox turns into embeddings ({CLIP_GFLOP} GFLOP a clip)", f"{share:.0%}"),
    ]


def best_batch(embedder: Embedder, clips: list[FloatArray]) -> int:
    """The batch size that suits it best on this machine."""
    in_batches(embedder, clips[:1], 1)
    trial = clips[: max(BATCHES)]
    turns = take_turns(
        {str(size): partial(in_batches, embedder, trial, size) for size in BATCHES}, num_turns=1, warm_up=False
    )
    return max(BATCHES, key=lambda size: turns.rate(str(size)))


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
