"""One live transcription at work: its requests decoded, held to their limits and pushed through, off the event loop."""

import asyncio
import contextvars
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from svc.audio.chunks import ChunkDecoder
from svc.errors import InvalidRequestError, ServiceError, StreamProtocolError, StreamTooFastError
from svc.pipelines.live.transcription import TranscriptionStream
from svc.pipelines.live.transcription_events import TranscriptionEvent
from svc.rpc.inbox import Received
from svc.rpc.limits import AudioPace
from svc.rpc.stream_telemetry import StreamMeter
from svc.types import FloatArray

Events = list[TranscriptionEvent]
NOTHING = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a session is made of."""

    stream: TranscriptionStream
    decoder: ChunkDecoder
    pace: AudioPace
    pool: ThreadPoolExecutor
    meter: StreamMeter


class Session:
    """Runs each step on a thread of the pool, never two at once."""

    def __init__(self, parts: Parts) -> None:
        self.stream, self.decoder, self.pace = parts.stream, parts.decoder, parts.pace
        self.meter = parts.meter
        self._pool = parts.pool
        self._running: Future[Events] | None = None

    async def answer(self, received: Sequence[Received]) -> tuple[Events, ServiceError | None]:
        """Works on one control request, or on several of audio as one. What came before a caller's mistake is answered
        all the same; the mistake comes beside it.
        """
        match received[0].request.WhichOneof("kind"):
            case "audio":
                samples, mistake = self._decode(received)
                return await self._run(lambda: self.stream.push(samples)), mistake
            case "keep_alive":
                return await self._run(lambda: self.stream.push(NOTHING)), None
            case "flush":
                return await self._run(self.stream.flush), None
            case "config":
                return [], StreamProtocolError("a second config: open another stream instead", field="config")
        return [], InvalidRequestError("a message is empty: set audio, keep_alive or flush", field="audio")

    async def close(self) -> Events:
        """The end of the audio: open turns closed, all that is left."""
        return await self._run(self.stream.close)

    def abandon(self) -> None:
        """Frees what the stream holds, as soon as no thread is at work on it."""
        if self._running:
            self._running.add_done_callback(lambda _: self.stream.abandon())
        else:
            self.stream.abandon()

    def _decode(self, received: Sequence[Received]) -> tuple[FloatArray, ServiceError | None]:
        chunks: list[FloatArray] = [NOTHING]
        try:
            for request, at_s in received:
                chunk = self.decoder.decode(request.audio)
                audio_s = len(chunk) / self.decoder.sample_rate_hz
                self._spend(audio_s)
                self.meter.on_audio(audio_s, at_s)
                chunks.append(chunk)
        except ServiceError as mistake:
            return np.concatenate(chunks), mistake
        return np.concatenate(chunks), None

    def _spend(self, audio_s: float) -> None:
        if wait_s := self.pace.spend(audio_s):
            raise StreamTooFastError(
                f"audio came faster than {self.pace.max_speed:g} times real time and {self.pace.max_burst_s:g} s "
                f"beyond that; wait {wait_s:.2f} s, or keep to what `accepted` tells",
                retry_after_s=wait_s,
            )

    async def _run(self, work: Callable[[], Events]) -> Events:
        context = contextvars.copy_context()
        self._running = self._pool.submit(context.run, self.meter.timing, work)
        return await asyncio.wrap_future(self._running)


async def open_stream(pool: ThreadPoolExecutor, work: Callable[[], TranscriptionStream]) -> TranscriptionStream:
    """`work()` on a thread; the stream of a caller who has left meanwhile is freed."""
    opening = pool.submit(contextvars.copy_context().run, work)
    try:
        return await asyncio.wrap_future(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_abandon_opened)
        raise


def _abandon_opened(opening: Future[TranscriptionStream]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().abandon()
