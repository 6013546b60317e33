"""The client for asyncio: the same calls as Client, awaited. Files are read off the event loop."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from types import TracebackType
from typing import Self, cast

import grpc
import grpc.aio

from equivox import calls, results
from equivox.aio_streams import events_of, on_threads
from equivox.audio import AudioLike
from equivox.calls import Call, Result
from equivox.channel import Connection, Tls, open_async_channel
from equivox.client import (
    DEFAULT_TIMEOUT_S,
    DIARIZE_TIMEOUT_S,
    HEALTH_POLL_S,
    Sender,
    grpc_timeout_s,
    positive_timeout,
)
from equivox.errors import EquivoxError, FailedCall, read_error
from equivox.requests import DiarizeOptions, PolicyLike, VoiceLike
from equivox.stream_audio import StreamLike, to_source
from equivox.streaming import LiveCall, TranscribeOptions
from equivox.transcripts import Transcript, TranscriptionEvent


class AsyncSender:
    """Builds a call off the event loop, sends it and awaits its result."""

    def __init__(self, connection: Connection, timeout_s: float) -> None:
        self.timeout_s = positive_timeout(timeout_s)
        self._connection = connection
        self._channel: grpc.aio.Channel | None = None
        self._streams: Sender | None = None

    @property
    def channel(self) -> grpc.aio.Channel:
        # Opened on first use: a channel belongs to the event loop that runs then, and __init__ may run before any does.
        if self._channel is None:
            self._channel = open_async_channel(self._connection)
        return self._channel

    async def send(self, build: Callable[[], Call[Result]], timeout_s: float | None = None) -> Result:
        call = await asyncio.to_thread(build)
        method = getattr(call.stub(self.channel), call.method)
        deadline_s = self.timeout_s if timeout_s is None else timeout_s
        try:
            response = await method(
                call.request, timeout=grpc_timeout_s(deadline_s), metadata=self._connection.call_metadata
            )
        except grpc.RpcError as error:
            raise read_error(cast(FailedCall, error)) from error
        except grpc.aio.InternalError as error:
            raise EquivoxError(f"gRPC could not send the call: {error}", code=grpc.StatusCode.INTERNAL) from error
        return call.read(response)

    async def stream(self, call: LiveCall, timeout_s: float | None = None) -> AsyncGenerator[TranscriptionEvent]:
        """Over a blocking channel in a thread: grpc.aio loses the status of a call that ends while it still sends."""
        if self._streams is None:
            self._streams = Sender(self._connection, self.timeout_s)
        async with aclosing(events_of(self._streams, call, timeout_s)) as events:
            async for event in events:
                yield event

    async def close(self) -> None:
        if self._channel is not None:
            await self._channel.close(grace=None)
        if self._streams is not None:
            await asyncio.to_thread(self._streams.close)


class AsyncClient:
    """Awaited calls to an Equivox server; one event loop each. Arguments, results and errors are those of `Client`."""

    def __init__(
        self,
        target: str,
        *,
        token: str | None = None,
        tls: Tls | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        allow_insecure_token: bool = False,
    ) -> None:
        connection = Connection(target=target, token=token, tls=tls, allow_insecure_token=allow_insecure_token)
        self._sender = AsyncSender(connection, timeout_s)
        self.profiles = AsyncProfilesClient(self._sender)
        self.models = AsyncModelsClient(self._sender)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connection; calls under way are cancelled."""
        await self._sender.close()

    async def embed(self, audio: AudioLike, *, timeout_s: float | None = None) -> results.EmbedResult:
        """One clip -> its embedding and quality."""
        return await self._sender.send(lambda: calls.embed(audio), timeout_s)

    async def verify(
        self, enrolment: VoiceLike, test: VoiceLike, *, policy: PolicyLike = None, timeout_s: float | None = None
    ) -> results.Verification:
        """Compares two voices and decides under a policy."""
        return await self._sender.send(lambda: calls.verify(enrolment, test, policy=policy), timeout_s)

    async def identify(
        self,
        test: VoiceLike,
        *,
        max_matches: int = 5,
        policy: PolicyLike = None,
        profile_ids: Sequence[str] = (),
        timeout_s: float | None = None,
    ) -> results.Identification:
        """Which enrolled person is this, if any; `profile_ids` restricts the search."""
        return await self._sender.send(
            lambda: calls.identify(test, max_matches=max_matches, policy=policy, profile_ids=profile_ids), timeout_s
        )

    async def diarize(
        self, audio: AudioLike, options: DiarizeOptions | None = None, *, timeout_s: float = DIARIZE_TIMEOUT_S
    ) -> results.DiarizationResult:
        """Who spoke when in a finished recording."""
        return await self._sender.send(lambda: calls.diarize(audio, options or DiarizeOptions()), timeout_s)

    async def transcribe(
        self, audio: StreamLike, options: TranscribeOptions | None = None, *, timeout_s: float | None = None
    ) -> AsyncGenerator[TranscriptionEvent]:
        """Live transcription; chunks may come from an async iterator. See `Client.transcribe`."""
        source = await asyncio.to_thread(to_source, audio)
        async with on_threads(source) as blocking:
            call = LiveCall(blocking, options or TranscribeOptions())
            async with aclosing(self._sender.stream(call, timeout_s)) as events:
                async for event in events:
                    yield event

    async def transcribe_all(
        self, audio: StreamLike, options: TranscribeOptions | None = None, *, timeout_s: float | None = None
    ) -> Transcript:
        """The same once it is over, with every revision applied."""
        transcript = Transcript()
        async for event in self.transcribe(audio, options, timeout_s=timeout_s):
            transcript.add(event)
        transcript.check_heard_to_end()
        return transcript

    async def healthy(self, service: str = "", *, timeout_s: float | None = None) -> bool:
        """Whether the server, or one service of it (equivox.v1.Verification), is ready; False when out of reach."""
        try:
            return await self._sender.send(lambda: calls.check_health(service), timeout_s)
        except EquivoxError as error:
            if error.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                return False
            raise

    async def wait_until_healthy(self, service: str = "", *, timeout_s: float = 60.0) -> None:
        """Returns once the server is ready. Raises TimeoutError when it is not after `timeout_s`."""
        end_s = time.monotonic() + timeout_s
        while not await self.healthy(service, timeout_s=max(HEALTH_POLL_S, end_s - time.monotonic())):
            if time.monotonic() >= end_s:
                raise TimeoutError(f"the server was not ready within {timeout_s:g} s")
            await asyncio.sleep(HEALTH_POLL_S)


class AsyncProfilesClient:
    """Enrolled voices of the caller's tenant."""

    def __init__(self, sender: AsyncSender) -> None:
        self._sender = sender

    async def create(
        self,
        *,
        consent_reference: str,
        profile_id: str = "",
        display_name: str = "",
        expire_time: datetime | None = None,
        timeout_s: float | None = None,
    ) -> results.Profile:
        """Makes an empty profile; without `profile_id` the server chooses one. Never retried."""
        return await self._sender.send(
            lambda: calls.create_profile(
                consent_reference=consent_reference,
                profile_id=profile_id,
                display_name=display_name,
                expire_time=expire_time,
            ),
            timeout_s,
        )

    async def enroll(
        self,
        profile_id: str,
        utterances: AudioLike | Sequence[AudioLike],
        *,
        idempotency_key: str = "",
        timeout_s: float | None = None,
    ) -> results.EnrolmentResult:
        """Adds one clip or several, all or none; see `Client.profiles.enroll` about the key."""
        return await self._sender.send(
            lambda: calls.enroll(profile_id, utterances, idempotency_key=idempotency_key), timeout_s
        )

    async def get(self, profile_id: str, *, timeout_s: float | None = None) -> results.Profile:
        """One profile."""
        return await self._sender.send(lambda: calls.get_profile(profile_id), timeout_s)

    async def page(
        self, *, page_size: int = 100, page_token: str = "", timeout_s: float | None = None
    ) -> results.ProfilePage:
        """One page of profiles, ordered by profile_id."""
        return await self._sender.send(
            lambda: calls.list_profiles(page_size=page_size, page_token=page_token), timeout_s
        )

    async def list(self, *, page_size: int = 100, timeout_s: float | None = None) -> AsyncIterator[results.Profile]:
        """All profiles, ordered by profile_id, fetched page by page as they are consumed; `timeout_s` is per page."""
        token = ""
        while True:
            page = await self.page(page_size=page_size, page_token=token, timeout_s=timeout_s)
            for profile in page.profiles:
                yield profile
            if not (token := page.next_page_token):
                return

    async def delete(self, profile_id: str, *, timeout_s: float | None = None) -> int:
        """Deletes a profile from memory and disk; returns how many voiceprints were destroyed. Never retried."""
        return await self._sender.send(lambda: calls.delete_profile(profile_id), timeout_s)

    async def export(self, profile_id: str, *, timeout_s: float | None = None) -> results.ProfileExport:
        """Everything held about one person."""
        return await self._sender.send(lambda: calls.export_profile(profile_id), timeout_s)


class AsyncModelsClient:
    """What the server runs."""

    def __init__(self, sender: AsyncSender) -> None:
        self._sender = sender

    async def list(self, *, timeout_s: float | None = None) -> tuple[results.LoadedModel, ...]:
        """Every loaded model and calibration."""
        return await self._sender.send(calls.list_models, timeout_s)

    async def card(self, name: str, *, timeout_s: float | None = None) -> str:
        """The TOML card of one of them."""
        return await self._sender.send(lambda: calls.get_card(name), timeout_s)

    async def fairness_report(self, name: str, *, timeout_s: float | None = None) -> results.FairnessReport:
        """Its error rates by group."""
        return await self._sender.send(lambda: calls.get_fairness_report(name), timeout_s)
