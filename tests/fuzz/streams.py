"""Live transcriptions nobody should send, through the servicer: `python -m tests.fuzz.streams --runs 100000`.

Whatever comes, in whatever order, a stream must end well or in a ServiceError that has a status, with every turn that
began ended, and nothing of it held afterwards. Inputs are valid streams of which messages are dropped, doubled, moved,
twisted (fields replaced by odd values) or mutated as bytes.
"""

import argparse
import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError
from prometheus_client import CollectorRegistry

from equivox.v1.audio_pb2 import PCM_ENCODING_F32LE, PCM_ENCODING_MULAW, PCM_ENCODING_S16LE
from equivox.v1.transcription_pb2 import Flush, KeepAlive, TranscribeConfig, TranscribeRequest
from equivox.v1.verification_pb2 import Policy
from svc.config import TranscriptionConfig
from svc.errors import ServiceError
from svc.rpc.status import trailing_details
from svc.rpc.stream_telemetry import StreamMetrics
from svc.rpc.transcription import TranscriptionServicer
from tests.fuzz.messages import mutated, twisted
from tests.fuzz.rounds import in_a_folder, run_all
from tests.rpc.tiny_application import TinyApplication, tiny_config
from tests.rpc.toy_transcriber import talk

REPORT_EVERY = 1_000
Stream = list[TranscribeRequest]
PACE = TranscriptionConfig(max_streams=2, max_speed=1.0, max_burst_s=4.0, idle_timeout_s=5.0)


class StreamHarness:
    """One servicer; streams run through it one after the other."""

    def __init__(self, folder: Path) -> None:
        self.application = TinyApplication(tiny_config(folder, transcription=PACE))
        self.servicer = TranscriptionServicer(self.application, StreamMetrics(CollectorRegistry()))
        self.runner = asyncio.Runner()
        self.outcomes: Counter[str] = Counter()
        self.num_open = 0

    def run(self, stream: Sequence[TranscribeRequest]) -> None:
        """Raises what would be a bug."""
        self.num_open = 0
        try:
            self.runner.run(self._follow(stream))
        except ServiceError as error:
            trailing_details(error)
            self.outcomes[error.reason] += 1
        else:
            self.outcomes["answered"] += 1
        if self.num_open:
            raise RuntimeError(f"{self.num_open} turns never ended")
        if self.application.transcriber.held:
            raise RuntimeError("a stream that is over still holds something")

    async def _follow(self, stream: Sequence[TranscribeRequest]) -> None:
        async with aclosing(self.servicer.Transcribe(sending(stream), None)) as responses:
            async for response in responses:
                response.SerializeToString()
                self.num_open += response.HasField("turn_start") - response.HasField("turn_end")

    def close(self) -> None:
        self.servicer.close()
        self.application.close()
        self.runner.close()


async def sending(stream: Sequence[TranscribeRequest]) -> AsyncIterator[TranscribeRequest]:
    for request in stream:
        yield request


def valid_streams() -> list[Stream]:
    """Short ones of several encodings, rates and channels."""
    samples = talk(duration_s=1.2)
    s16 = (samples * 2**15).astype("<i2")
    config = TranscribeConfig(encoding=PCM_ENCODING_S16LE, sample_rate_hz=16_000, partials=True)
    stereo = TranscribeConfig(encoding=PCM_ENCODING_F32LE, sample_rate_hz=16_000, num_channels=2, channel=1)
    named = TranscribeConfig(
        encoding=PCM_ENCODING_MULAW, sample_rate_hz=8_000, identify=True, policy=Policy(name="strict")
    )
    controls = [TranscribeRequest(flush=Flush()), TranscribeRequest(keep_alive=KeepAlive())]
    return [
        [TranscribeRequest(config=config), *audio(s16.tobytes(), 6), *controls, *audio(s16.tobytes(), 2)],
        [TranscribeRequest(config=stereo), *audio(np.repeat(samples, 2).astype("<f4").tobytes(), 4), *controls],
        [TranscribeRequest(config=named), *controls, *audio(s16.tobytes()[:8_000], 3)],
    ]


def audio(data: bytes, num_chunks: int) -> Stream:
    """The bytes in chunks, each a multiple of any frame."""
    step = len(data) // num_chunks // 8 * 8
    return [TranscribeRequest(audio=data[number * step : (number + 1) * step]) for number in range(num_chunks)]


def spoilt(stream: Stream, rng: random.Random) -> Stream:
    """One to a few edits of the stream."""
    requests = list(stream)
    for _ in range(rng.choice([1, 1, 2, 4])):
        place = rng.randrange(len(requests)) if requests else 0
        match rng.randrange(6):
            case 0 if requests:
                del requests[place]
            case 1 if requests:
                requests.insert(rng.randrange(len(requests)), requests[place])
            case 2:
                rng.shuffle(requests)
            case 3 if requests:
                requests[place] = mutated_request(requests[place], rng)
            case _ if requests:
                requests[place] = twisted_request(requests[place], rng)
    return requests


def twisted_request(request: TranscribeRequest, rng: random.Random) -> TranscribeRequest:
    """A copy with fields of odd values; half the time of the kind it is, so that it stays of that kind."""
    copy = TranscribeRequest()
    copy.CopyFrom(request)
    twisted(copy.config if request.HasField("config") and rng.random() < 0.8 else copy, rng)
    return copy


def mutated_request(request: TranscribeRequest, rng: random.Random) -> TranscribeRequest:
    """The same with its bytes spoilt, where that still parses; gRPC lets nothing else through."""
    data = request.SerializeToString()
    try:
        return TranscribeRequest.FromString(mutated(data, data, rng=rng))
    except DecodeError:
        return request


def streams(num_runs: int, seed: int) -> Iterator[Stream]:
    """The valid ones first."""
    rng = random.Random(seed)
    valid = valid_streams()
    yield from valid[:num_runs]
    for _ in range(num_runs - len(valid)):
        yield spoilt(rng.choice(valid), rng)


def fuzz(num_runs: int, seed: int) -> Counter[str]:
    """How each input ended."""
    with in_a_folder(StreamHarness) as under_test:
        run_all(
            streams(num_runs, seed),
            under_test.run,
            written=lambda stream: str([str(request)[:200] for request in stream]),
            seed=seed,
            report_every=REPORT_EVERY,
        )
        return under_test.outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    np.seterr(all="raise", under="ignore")
    for reason, count in fuzz(options.runs, options.seed).most_common():
        print(f"{count:8d} {reason}")


if __name__ == "__main__":
    main()
