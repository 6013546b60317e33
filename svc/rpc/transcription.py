"""Transcription: live audio in, attributed words out while people talk."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, contextmanager
from typing import Any

from grpc.aio import ServicerContext

from equivox.v1.transcription_pb2 import StreamAccepted, TranscribeConfig, TranscribeRequest, TranscribeResponse
from equivox.v1.transcription_pb2_grpc import TranscriptionServicer as Contract
from svc.application import Application
from svc.audio.chunks import MAX_CHUNK_S
from svc.errors import NotReadyError, ServiceError, StreamProtocolError
from svc.rpc.call import current, tenant_of_call
from svc.rpc.convert import at_field
from svc.rpc.convert_transcription import DRAINING, from_event, to_decoder, to_options
from svc.rpc.inbox import WINDOW_BYTES, Inbox
from svc.rpc.limits import AudioPace
from svc.rpc.session import Events, Parts, Session, open_stream
from svc.rpc.stream_telemetry import StreamMeter, StreamMetrics

# What a gRPC client takes for sent before the window has room for it; Go's takes most.
CLIENT_BYTES = 2**16


class TranscriptionServicer(Contract):
    """equivox.v1.Transcription. A stream's steps run one after the other on a thread; between them it holds none."""

    def __init__(self, application: Application, metrics: StreamMetrics) -> None:
        self.application = application
        self.config = application.config.transcription
        self.metrics = metrics
        self.pool = ThreadPoolExecutor(self.config.max_streams, "stream")
        self._inboxes: set[Inbox] = set()
        self._draining = False

    async def Transcribe(
        self, requests: AsyncIterator[TranscribeRequest], context: ServicerContext[Any, Any] | None
    ) -> AsyncGenerator[TranscribeResponse]:
        inbox = Inbox(requests, idle_timeout_s=self.config.idle_timeout_s)
        async with inbox:
            with self._told_to_drain(inbox), self.metrics.metering(current.get()) as meter:
                config = await first_config(inbox)
                session = await self._open(config, inbox, meter)
                try:
                    yield self._accepted()
                    async with aclosing(self._responses(session, inbox)) as responses:
                        async for response in responses:
                            yield response
                finally:
                    session.abandon()

    def drain(self) -> None:
        """Streams under way are told, their open turns closed and sent; then they end well."""
        self._draining = True
        for inbox in self._inboxes:
            inbox.stop()

    def close(self) -> None:
        """Waits for the threads at work."""
        self.pool.shutdown(wait=True, cancel_futures=True)

    @contextmanager
    def _told_to_drain(self, inbox: Inbox) -> Iterator[None]:
        self._inboxes.add(inbox)
        if self._draining:
            inbox.stop()
        try:
            yield
        finally:
            self._inboxes.remove(inbox)

    async def _open(self, config: TranscribeConfig, inbox: Inbox, meter: StreamMeter) -> Session:
        decoder = to_decoder(config)
        options = to_options(config, tenant=tenant_of_call(), policies=self.application.policies)
        unread_s = most_unread_s(self.config.max_backlog_s, decoder.bytes_per_s)
        pace = AudioPace(self.config.max_speed, self.config.max_burst_s, unread_s=unread_s)
        # Last of what can fail: nobody else frees a stream that is open.
        with at_field("config"):
            stream = await open_stream(self.pool, lambda: self.application.transcriber.open(options))
        # Only now may the caller be read ahead of.
        inbox.max_waiting_bytes = round(self.config.max_backlog_s * decoder.bytes_per_s)
        return Session(Parts(stream=stream, decoder=decoder, pace=pace, pool=self.pool, meter=meter))

    def _accepted(self) -> TranscribeResponse:
        call, transcriber = current.get(), self.application.transcriber
        accepted = StreamAccepted(
            session_id=call.call_id if call else "",
            algorithmic_latency_s=transcriber.algorithmic_latency_s,
            model_fingerprint=transcriber.fingerprint,
            max_speed=self.config.max_speed,
            max_burst_s=self.config.max_burst_s,
            idle_timeout_s=self.config.idle_timeout_s,
        )
        return TranscribeResponse(accepted=accepted)

    async def _responses(self, session: Session, inbox: Inbox) -> AsyncGenerator[TranscribeResponse]:
        """All after `accepted`. A caller's mistake ends the stream only after its open turns are closed and sent."""
        mistake: ServiceError | None = None
        while mistake is None:
            events, mistake, at_end = await self._step(session, inbox)
            for response in sent(events, session.meter):
                yield response
            if at_end:
                break
        if inbox.cut_short:
            yield DRAINING
        for response in sent(await session.close(), session.meter):
            yield response
        if mistake is not None:
            raise mistake

    async def _step(self, session: Session, inbox: Inbox) -> tuple[Events, ServiceError | None, bool]:
        """Events, what the caller did wrong, and whether the stream is at its end."""
        try:
            received = await inbox.take()
        except ServiceError as error:
            return [], error, True
        if not received:
            return [], None, True
        return *await session.answer(received), False


def most_unread_s(max_backlog_s: float, bytes_per_s: int) -> float:
    """How much a caller may have sent that is not worked on: in the inbox and the window, each with a chunk past what
    they hold, and in the buffers of his own client.
    """
    return max_backlog_s + 2 * MAX_CHUNK_S + (WINDOW_BYTES + CLIENT_BYTES) / bytes_per_s


def sent(events: Events, meter: StreamMeter) -> Iterator[TranscribeResponse]:
    """The events to send, each counted as it goes."""
    for event in events:
        meter.on_event(event)
        yield from_event(event)


async def first_config(inbox: Inbox) -> TranscribeConfig:
    """The first message. Raises StreamProtocolError when it is another, or none came."""
    received = await inbox.take()
    first = received[0].request if received else None
    if first and first.WhichOneof("kind") == "config":
        return first.config
    if inbox.cut_short:
        raise NotReadyError("the server is shutting down; retry in 1 s", retry_after_s=1.0)
    what = first.WhichOneof("kind") or "an empty message" if first else "the end of the stream"
    raise StreamProtocolError(f"the first message must be config, got {what}", field="config")
