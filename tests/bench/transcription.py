"""Live streams the transcriber sustains: model and batcher, fed in real time by streams that began at random moments.

usage: python -m tests.bench transcription, or python -m tests.bench.transcription [ARTIFACT] [--processor-time]

Without an artifact the weights are random, in the default configuration, and the blank's bias is set so that as many
tokens come out as in speech: the work is the same. With --processor-time only the cost of a step is measured, in both
precisions: a busy machine changes little of it. The artifact that ships is svc/artifacts/transcriber-english.
"""

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from svc.backends.protocols import RecognisedChunk
from svc.backends.stream_batching import StreamBatcher
from svc.backends.stream_scheduler import StreamBatchingConfig
from svc.backends.transcriber import (
    LiveState,
    TransducerRecogniser,
    bfloat16_pays,
    build_recogniser,
    load_recogniser,
)
from svc.models.decoding import DecoderConfig
from svc.models.transcriber import Transcriber, TranscriberConfig
from svc.types import FloatArray
from svc.units import BLANK, WORD_START, Units
from tests.bench.timing import Row, show

FRAME_S = 0.04
MELS_PER_FRAME = 4
TOKENS_PER_FRAME = 0.1  # and channel: fast speech
RUN_S = 6.0
# Sustained: 95 of 100 answers come before the next chunk of the longest kind does.
MAX_P95_S = 0.120
LADDER = (8, 16, 24, 32, 48, 64, 96, 128)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRun:
    """So many streams for RUN_S."""

    num_streams: int
    p95_s: float
    cpu_share: float  # of one core

    @property
    def is_sustained(self) -> bool:
        return self.p95_s <= MAX_P95_S


def random_recogniser() -> TransducerRecogniser:
    """The default model, talkative."""
    torch.manual_seed(0)
    units = Units(tuple(f"{WORD_START}{number}" for number in range(496)))
    model = Transcriber(TranscriberConfig(num_tokens=len(units))).eval()
    recogniser = build_recogniser(model, units=units, fingerprint="random", decoder=DecoderConfig())
    low, high = 0.0, 20.0
    for _ in range(8):
        bias = (low + high) / 2
        with torch.no_grad():
            model.joint.output.bias[BLANK] = bias
        low, high = (bias, high) if tokens_per_frame(recogniser) > TOKENS_PER_FRAME else (low, bias)
    return recogniser


def tokens_per_frame(recogniser: TransducerRecogniser) -> float:
    state, num_tokens = recogniser.open(), 0
    for piece in np.split(speechlike(200), 40):
        (chunk,) = recogniser.step([state], [piece])
        num_tokens += sum(map(len, chunk.emissions))
    return num_tokens / 400


def speechlike(num_frames: int, seed: int = 0) -> FloatArray:
    """(4 frames, 80) numbers in the range of log-mels: what they say does not change the work."""
    mels = np.random.default_rng(seed).normal(-7, 3, (MELS_PER_FRAME * num_frames, 80))
    return mels.astype(np.float32)


def seconds_per_step(recogniser: TransducerRecogniser, chunk_frames: int, *, num_streams: int = 1) -> float:
    """Time on the processor, which other programs do not lengthen much."""
    states = [recogniser.open() for _ in range(num_streams)]
    mels = [speechlike(chunk_frames, number) for number in range(num_streams)]
    for _ in range(3):
        recogniser.step(states, mels)
    began_s = time.process_time()
    for _ in range(10):
        recogniser.step(states, mels)
    return (time.process_time() - began_s) / 10


def run_live(batcher: StreamBatcher[LiveState], num_streams: int, chunk_frames: int) -> LiveRun:
    """Every stream submits a chunk when its time has come, answered or not."""
    sessions = [batcher.open() for _ in range(num_streams)]
    period_s = chunk_frames * FRAME_S
    phases = np.random.default_rng(0).uniform(0, period_s, num_streams)
    due = sorted(
        (phase + turn * period_s, number)
        for number, phase in enumerate(phases)
        for turn in range(int(RUN_S / period_s))
    )
    mels = speechlike(chunk_frames)
    futures: list[Future[RecognisedChunk]] = []
    latencies: list[float] = []
    cpu_s, began_s = time.process_time(), time.monotonic()
    for at_s, number in due:
        time.sleep(max(0.0, began_s + at_s - time.monotonic()))
        futures.append(sessions[number].submit(mels))
        futures[-1].add_done_callback(partial(note_latency, latencies, began_s + at_s))
    for future in futures:
        future.result(60)
    took_s = time.monotonic() - began_s
    for session in sessions:
        session.close()
    return LiveRun(
        num_streams=num_streams,
        p95_s=float(np.percentile(latencies, 95)),
        cpu_share=(time.process_time() - cpu_s) / took_s,
    )


def note_latency(latencies: list[float], due_s: float, _: Future[RecognisedChunk]) -> None:
    """From the moment the chunk was there, also when it was submitted late."""
    latencies.append(time.monotonic() - due_s)


def climb(batcher: StreamBatcher[LiveState], chunk_frames: int) -> tuple[LiveRun | None, list[LiveRun]]:
    """The most streams of the ladder that are sustained, and all runs."""
    best, runs = None, []
    for num_streams in LADDER:
        runs.append(run_live(batcher, num_streams, chunk_frames))
        if not runs[-1].is_sustained:
            break
        best = runs[-1]
    return best, runs


def measure(artifact: Path | None = None) -> list[Row]:
    recogniser = load_recogniser(artifact) if artifact else random_recogniser()
    torch.set_num_threads(1)
    rows = [Row("memory of one stream", f"{recogniser.open().num_bytes / 2**20:.1f} MiB", "constant")]
    rows += [Row("algorithmic latency", f"{1000 * recogniser.algorithmic_latency_s:.0f} ms", "<= 120 ms")]
    for chunk_frames in (1, 2, 3):
        rows += step_rows(recogniser, chunk_frames)
    for threads in (1, torch.multiprocessing.cpu_count()):
        torch.set_num_threads(threads)
        batcher = StreamBatcher(recogniser, StreamBatchingConfig(max_streams=LADDER[-1]))
        for chunk_frames in (1, 2, 3):
            best, runs = climb(batcher, chunk_frames)
            rows.append(live_row(best, runs, chunk_frames, threads))
        batcher.close()
    if bfloat16_pays("auto"):
        torch.set_num_threads(1)
        rows += narrow_rows(recogniser)
    return rows


def measure_steps(artifact: Path | None = None) -> list[Row]:
    """Processor time of a step in float32, then in bfloat16, whether it pays here or not."""
    torch.set_num_threads(1)
    recogniser = load_recogniser(artifact) if artifact else random_recogniser()
    rows = [Row(f"float32: {row.what}", row.value, row.aim) for row in step_rows(recogniser, 3)]
    return rows + narrow_rows(recogniser)


def narrow_rows(recogniser: TransducerRecogniser) -> list[Row]:
    """From now on in bfloat16."""
    recogniser.model.encoder.narrow()
    return [Row(f"bfloat16: {row.what}", row.value, row.aim) for row in step_rows(recogniser, 3)]


def step_rows(recogniser: TransducerRecogniser, chunk_frames: int) -> list[Row]:
    chunk_s = chunk_frames * FRAME_S
    alone = seconds_per_step(recogniser, chunk_frames) / chunk_s
    together = seconds_per_step(recogniser, chunk_frames, num_streams=32) / chunk_s
    name = f"chunks of {1000 * chunk_s:.0f} ms"
    return [
        Row(f"core per stream, {name}, one stream", f"{alone:.3f}"),
        Row(f"streams a core, {name}, 32 in a step", f"{32 / together:.0f}", ">= 32"),
    ]


def live_row(best: LiveRun | None, runs: Sequence[LiveRun], chunk_frames: int, threads: int) -> Row:
    name = f"streams sustained, chunks of {1000 * chunk_frames * FRAME_S:.0f} ms, {threads} thread(s)"
    told = "; ".join(
        f"{run.num_streams}: p95 {1000 * run.p95_s:.0f} ms, {run.cpu_share:.2f} cores" for run in runs[-2:]
    )
    return Row(name, f"{best.num_streams if best else 0} ({told})", ">= 32")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact", type=Path, nargs="?")
    parser.add_argument("--processor-time", action="store_true", help="of a step alone, in float32 and bfloat16")
    options = parser.parse_args()
    if options.processor_time:
        show("Live transcription: processor time of a step", measure_steps(options.artifact))
    else:
        show("Live transcription", measure(options.artifact))


if __name__ == "__main__":
    main()
