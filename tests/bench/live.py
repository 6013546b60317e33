"""Live transcription over gRPC by a server process: streams it keeps up with, how late words come, what a stream holds.

usage: python -m tests.bench live
       python -m tests.bench.live [--artifact FOLDER] [--precision auto] [--streams 8 32 | --hours 4 [--speed 4]]

Without an artifact the transcriber has random weights and says nonsense, as much of it as people say words: the work is
the same. Callers share the machine with the server. Beside the delays stands what a stream costs in processor time, in
all and by the server's threads, which a busy machine changes little. With --hours, one stream of so long, faster than
real time: memory, speakers and delay at its beginning and its end.
"""

import argparse
import asyncio
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil
import torch
from prometheus_client.parser import text_string_to_metric_families

from equivox import (
    AsyncClient,
    FinalWord,
    PartialWords,
    PcmStream,
    SpeakerRevised,
    TranscribeOptions,
    TranscriptionEvent,
    TurnEnded,
)
from svc.audio.filterbank import FilterbankConfig, StreamingFilterbank
from svc.audio.resample import resample
from svc.backends.transcriber import PRECISIONS, TransducerRecogniser
from svc.backends.transcriber_artifact import save_transcriber
from svc.types import FloatArray
from svc.units import BLANK
from tests.bench.timing import Row, show
from tests.bench.transcription import random_recogniser
from tests.e2e.server_process import ServerProcess, server_process
from training.data.audio_files import load_waveform

RATE_HZ, CHUNK_S = 16_000, 0.1
RUN_S, WARM_S = 20.0, 3.0
LADDER = (1, 8, 16, 24, 32, 48)
MAX_P95_S = 0.300
NUM_WINDOWS = 8
WORDS_PER_S, STEP_MELS = 3.0, 20
THREAD_SERIES, LEAST_CPU_S = "equivox_thread_cpu_seconds_total", 0.0005


@dataclass
class Heard:
    """What one caller heard, and when."""

    began_s: float = 0.0
    speed: float = 1.0
    # (second of the stream, seconds from then until a word that ends then first came)
    delays: list[tuple[float, float]] = field(default_factory=list)
    speakers: dict[int, tuple[float, str]] = field(default_factory=dict)
    _num_final: dict[int, int] = field(default_factory=dict)
    _num_known: dict[int, int] = field(default_factory=dict)

    def note(self, event: TranscriptionEvent) -> None:
        """A word counts once: when it first comes, be it as a partial one."""
        match event:
            case FinalWord(word=word):
                self._num_final[word.turn_id] = self._num_final.get(word.turn_id, 0) + 1
                self._note_words(word.turn_id, self._num_final[word.turn_id], word.end_s)
            case PartialWords(turn_id=turn_id, words=words) if words:
                self._note_words(turn_id, self._num_final.get(turn_id, 0) + len(words), words[-1].end_s)
            case TurnEnded():
                self.speakers[event.turn_id] = event.end_s, event.speaker.label
                self._num_final.pop(event.turn_id, None)
                self._num_known.pop(event.turn_id, None)
            case SpeakerRevised(turn_id=turn_id, speaker=speaker) if turn_id in self.speakers:
                self.speakers[turn_id] = self.speakers[turn_id][0], speaker.label

    def _note_words(self, turn_id: int, num_words: int, end_s: float) -> None:
        if num_words > self._num_known.get(turn_id, 0):
            self._num_known[turn_id] = num_words
            self.delays.append((end_s, time.monotonic() - self.began_s - end_s / self.speed))


async def talk(client: AsyncClient, samples: FloatArray, *, duration_s: float, speed: float = 1.0) -> Heard:
    """One caller who sends the samples, from the start again and again, as they would be spoken."""
    heard = Heard(speed=speed)
    pcm = (samples * 32_767).astype("<i2").tobytes()
    step = round(CHUNK_S * RATE_HZ) * 2

    async def chunks() -> AsyncIterator[bytes]:
        heard.began_s = time.monotonic()
        for number in range(round(duration_s / CHUNK_S)):
            await asyncio.sleep(max(0.0, heard.began_s + (number + 1) * CHUNK_S / speed - time.monotonic()))
            place = number * step % (len(pcm) - step)
            yield pcm[place : place + step]

    async for event in client.transcribe(PcmStream(chunks=chunks(), sample_rate_hz=RATE_HZ), TranscribeOptions()):
        heard.note(event)
    return heard


@dataclass(frozen=True, slots=True)
class Run:
    """So many callers for RUN_S."""

    num_streams: int
    delays_s: FloatArray
    cores: float
    cpu_s: Mapping[str, float]  # seconds for a second of one stream, by kind of thread
    rss_bytes: int

    @property
    def p95_s(self) -> float:
        return float(np.percentile(self.delays_s, 95))

    @property
    def told_cpu(self) -> str:
        """All of it, and the parts worth naming, the largest first."""
        ranked = sorted(self.cpu_s.items(), key=lambda part: -part[1])
        parts = (f"{kind} {1000 * cpu_s:.1f}" for kind, cpu_s in ranked if cpu_s >= LEAST_CPU_S)
        return f"{1000 * sum(self.cpu_s.values()):.1f} ms: {', '.join(parts)}"


def cpu_seconds(server: ServerProcess) -> dict[str, float]:
    """Of the server so far, by kind of thread; those that are not Python's are `libraries`."""
    text = urllib.request.urlopen(server.metrics_url).read().decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    seconds = {one.labels["threads"]: one.value for one in samples if one.name == THREAD_SERIES}
    times = psutil.Process(server.process.pid).cpu_times()
    return {**seconds, "libraries": max(0.0, times.user + times.system - sum(seconds.values()))}


async def run(server: ServerProcess, samples: FloatArray, num_streams: int) -> Run:
    """Callers begin at random moments of the first chunk and at random places of the recording."""
    random = np.random.default_rng(num_streams)

    async def caller(client: AsyncClient) -> Heard:
        await asyncio.sleep(random.uniform(0, CHUNK_S))
        rolled = np.roll(samples, random.integers(len(samples)))
        return await talk(client, rolled, duration_s=RUN_S)

    async with AsyncClient(server.address) as client:
        before, began_s = await asyncio.to_thread(cpu_seconds, server), time.monotonic()
        running = asyncio.gather(*(caller(client) for _ in range(num_streams)))
        await asyncio.sleep(RUN_S - 1)
        rss_bytes = server.rss_bytes
        heard = await running
        took_s = time.monotonic() - began_s
        after = await asyncio.to_thread(cpu_seconds, server)
    cpu_s = {kind: (after[kind] - before.get(kind, 0.0)) / (num_streams * RUN_S) for kind in after}
    if not any(each.delays for each in heard):
        raise RuntimeError("nobody heard a word: the artifact says nothing of this recording")
    delays_s = np.array([delay_s for each in heard for at_s, delay_s in each.delays if at_s > WARM_S], np.float32)
    return Run(num_streams, delays_s, sum(cpu_s.values()) * num_streams * RUN_S / took_s, cpu_s, rss_bytes)


def climb(server: ServerProcess, samples: FloatArray, ladder: Sequence[int] = LADDER) -> list[Row]:
    """Up the ladder until words come too late."""
    rows, runs = [], list[Run]()
    for num_streams in ladder:
        runs.append(asyncio.run(run(server, samples, num_streams)))
        p50_ms, p95_ms = 1000 * np.percentile(runs[-1].delays_s, [50, 95])
        told = f"p50 {p50_ms:.0f} ms, p95 {p95_ms:.0f} ms, server {runs[-1].cores:.2f} cores"
        print(f"{num_streams} streams: {told}", file=sys.stderr, flush=True)
        rows.append(Row(f"{num_streams} streams: token out of the model to word received", told, "p95 <= 300 ms"))
        rows.append(Row(f"{num_streams} streams: processor time for a second of one", runs[-1].told_cpu))
        if runs[-1].p95_s > MAX_P95_S:
            break
    sustained = max((each.num_streams for each in runs if each.p95_s <= MAX_P95_S), default=0)
    per_stream = (runs[-1].rss_bytes - runs[0].rss_bytes) / max(1, runs[-1].num_streams - runs[0].num_streams)
    rows.append(Row("streams sustained in real time", f"{sustained}", ">= 32"))
    rows.append(Row("memory of the server a stream", f"{per_stream / 2**20:.1f} MiB"))
    return rows


async def last(server: ServerProcess, samples: FloatArray, *, hours: float, speed: float) -> list[Row]:
    """One long stream, its windows compared."""
    duration_s, rss = 3600 * hours, list[int]()

    async def watch() -> None:
        while True:
            await asyncio.sleep(duration_s / speed / NUM_WINDOWS / 4)
            rss.append(server.rss_bytes)

    watching = asyncio.create_task(watch())
    async with AsyncClient(server.address) as client:
        heard = await talk(client, samples, duration_s=duration_s, speed=speed)
    watching.cancel()
    delays = np.array(heard.delays)  # (words, 2)
    windows = np.array_split(delays[np.argsort(delays[:, 0])], NUM_WINDOWS)
    p95_ms = [1000 * float(np.percentile(window[:, 1], 95)) for window in windows]
    labels = [
        sorted({name for at_s, name in heard.speakers.values() if part(at_s, duration_s, number)}) for number in (1, 7)
    ]
    return [
        Row("stream", f"{hours:g} h at {speed:g} times real time, {len(delays)} words, {len(heard.speakers)} turns"),
        Row("memory, second and last eighth", f"{rss[7] / 2**20:.0f} and {rss[-1] / 2**20:.0f} MiB", "flat"),
        Row("delay p95, second and last eighth", f"{p95_ms[1]:.0f} and {p95_ms[-1]:.0f} ms", "flat"),
        Row("speakers, second and last eighth", " and ".join(" ".join(each) for each in labels), "the same"),
    ]


def part(at_s: float, duration_s: float, number: int) -> bool:
    return int(NUM_WINDOWS * at_s / duration_s) == number


@contextmanager
def serving(artifact: Path | None, *, precision: str = "float32", max_speed: float = 20.0) -> Iterator[ServerProcess]:
    """A server with that transcriber, or one of random weights."""
    with TemporaryDirectory() as folder:
        if artifact is None:
            torch.set_num_threads(1)  # many threads on few frames wait for each other
            recogniser, artifact = talkative(), Path(folder) / "transcriber"
            save_transcriber(artifact, recogniser.model, recogniser.units, {"name": "random"})
        settings = {
            "artifact": str(artifact),
            "precision": precision,
            "max_streams": LADDER[-1],
            "max_speed": max_speed,
        }
        with server_process(Path(folder), {"transcription": settings}) as server:
            yield server


def talkative() -> TransducerRecogniser:
    """Random weights in the default configuration that say about as many words of the recording as people do."""
    recogniser = random_recogniser()
    mels = StreamingFilterbank(FilterbankConfig()).push(conversation()[: 8 * RATE_HZ])
    steps = np.split(mels[: len(mels) // STEP_MELS * STEP_MELS], len(mels) // STEP_MELS)
    output, low, high = recogniser.model.joint.output, 0.0, 12.0
    with torch.no_grad():
        output.weight.mul_(9.0)  # else it says something everywhere or nowhere
        for _ in range(7):
            output.bias[BLANK] = (low + high) / 2
            state = recogniser.open()
            num_tokens = sum(len(said) for step in steps for said in recogniser.step([state], [step])[0].emissions)
            enough = num_tokens > WORDS_PER_S * 8
            low, high = ((low + high) / 2, high) if enough else (low, (low + high) / 2)
    return recogniser


def conversation() -> FloatArray:
    """(N,) 30 s of two talkers, which ship inside pyannote.audio, at 16 kHz."""
    path = Path(str(resources.files("pyannote.audio") / "sample" / "sample.wav"))
    return resample(load_waveform(path), RATE_HZ).samples


def measure(artifact: Path | None = None, ladder: Sequence[int] = LADDER, *, precision: str = "float32") -> list[Row]:
    with serving(artifact, precision=precision) as server:
        return climb(server, conversation(), ladder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artifact", type=Path)
    parser.add_argument("--precision", choices=PRECISIONS, default="float32", help="transcription.precision")
    parser.add_argument("--streams", type=int, nargs="+", default=LADDER, help="numbers of streams to try, in turn")
    parser.add_argument("--hours", type=float, default=0.0)
    parser.add_argument(
        "--speed", type=float, default=4.0, help="of real time; more than the server can do shows as delay"
    )
    options = parser.parse_args()
    if not options.hours:
        show("Live transcription over gRPC", measure(options.artifact, options.streams, precision=options.precision))
        return
    with serving(options.artifact, precision=options.precision, max_speed=2 * options.speed) as server:
        rows = asyncio.run(last(server, conversation(), hours=options.hours, speed=options.speed))
    show("One long stream", rows)


if __name__ == "__main__":
    main()
