"""Live transcriptions over a real channel, as a caller drives them."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

import grpc
import numpy as np
import pytest

from equivox.errors import FailedCall
from equivox.v1.audio_pb2 import PCM_ENCODING_F32LE
from equivox.v1.transcription_pb2 import (
    Flush,
    KeepAlive,
    TranscribeConfig,
    TranscribeRequest,
    TranscribeResponse,
)
from equivox.v1.transcription_pb2_grpc import TranscriptionStub
from svc.rpc.server import Server
from svc.types import FloatArray
from tests.rpc.speech import RATE_HZ

CONFIG = TranscribeRequest(config=TranscribeConfig(encoding=PCM_ENCODING_F32LE, sample_rate_hz=RATE_HZ, partials=True))
METHOD = "/equivox.v1.Transcription/Transcribe"
CALLERS = ThreadPoolExecutor(32, "caller")
KEEP_ALIVE, FLUSH = TranscribeRequest(keep_alive=KeepAlive()), TranscribeRequest(flush=Flush())


def chunks(samples: FloatArray, chunk_samples: int = 1600) -> list[TranscribeRequest]:
    """float32 audio messages."""
    pieces = np.split(samples, range(chunk_samples, len(samples), chunk_samples))
    return [TranscribeRequest(audio=piece.astype("<f4").tobytes()) for piece in pieces]


@dataclass
class Answered:
    """All events, and the error that ended them, if one did."""

    events: list[TranscribeResponse]
    error: FailedCall | None = None

    def kinds(self) -> list[str]:
        return [str(event.WhichOneof("event")) for event in self.events]

    def words(self) -> list[tuple[str, float, float, int]]:
        return [
            (event.word.text, round(event.word.start_s, 4), round(event.word.end_s, 4), event.word.turn_id)
            for event in self.events
            if event.HasField("word")
        ]

    def refusal(self) -> FailedCall:
        assert self.error is not None, self.kinds()
        return self.error


async def transcribe(server: Server, requests: Iterable[TranscribeRequest]) -> Answered:
    """Sends all, then reads all; what came before an error is kept."""
    return await answered_by(server, requests, TranscribeRequest.SerializeToString)


async def answered_by(server: Server, requests: Iterable[Any], serialise: Callable[[Any], bytes]) -> Answered:
    """In a thread: grpc.aio's client loses the status of a server that answers while messages are still being sent."""
    return await asyncio.get_running_loop().run_in_executor(CALLERS, _answered_by, server.port, requests, serialise)


def _answered_by(port: int, requests: Iterable[Any], serialise: Callable[[Any], bytes]) -> Answered:
    answered = Answered([])
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        method = channel.stream_stream(METHOD, serialise, TranscribeResponse.FromString)
        try:
            for event in method(iter(requests)):
                answered.events.append(event)
        except grpc.RpcError as error:
            answered.error = cast(FailedCall, error)
    return answered


class Dialogue:
    """A stream driven by hand: write, then read until something comes."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        stub: Any = TranscriptionStub(channel)
        self.call = stub.Transcribe()

    async def send(self, requests: Sequence[TranscribeRequest]) -> None:
        for request in requests:
            await self.call.write(request)

    async def read_until(self, kind: str) -> TranscribeResponse:
        """The next event of that kind; others are passed over."""
        while event := await self._read():
            if event.WhichOneof("event") == kind:
                return event
        pytest.fail(f"the stream ended without {kind}")

    async def rest(self) -> Answered:
        """All that comes until the server ends the stream."""
        answered = Answered([])
        try:
            while event := await self._read():
                answered.events.append(event)
        except grpc.aio.AioRpcError as error:
            answered.error = cast(FailedCall, error)
        return answered

    async def end(self) -> Answered:
        """Sends no more; all that still comes."""
        await self.call.done_writing()
        return await self.rest()

    async def _read(self) -> TranscribeResponse | None:
        event: TranscribeResponse = await asyncio.wait_for(self.call.read(), 5)
        return event if isinstance(event, TranscribeResponse) else None  # grpc.aio.EOF
