"""The blocking client. Every call has a deadline; which are retried is in service_config.json."""

import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self, cast

import grpc

from equivox import calls, results
from equivox.audio import AudioLike
from equivox.calls import Call, Result
from equivox.channel import Connection, Tls, open_channel
from equivox.errors import EquivoxError, FailedCall, read_error
from equivox.requests import DiarizeOptions, PolicyLike, VoiceLike
from equivox.stream_audio import StreamLike, to_source
from equivox.streaming import LiveCall, TranscribeOptions
from equivox.transcripts import Transcript, TranscriptionEvent
from equivox.v1.transcription_pb2 import TranscribeResponse
from equivox.v1.transcription_pb2_grpc import TranscriptionStub

DEFAULT_TIMEOUT_S = 30.0
DIARIZE_TIMEOUT_S = 1800.0
"""Diarization works on whole meetings: its default deadline is longer than that of the other calls."""
HEALTH_POLL_S = 0.2
FOREVER_S = 1e9


class Transport(Protocol):
    """What carries calls: a channel to a server here, the models themselves in the command line."""

    def send(self, call: Call[Result], timeout_s: float | None = None) -> Result: ...
    def stream(self, call: LiveCall, timeout_s: float | None = None) -> Iterator[TranscriptionEvent]: ...
    def close(self) -> None: ...


def positive_timeout(timeout_s: float) -> float:
    """The same. Raises ValueError unless it is > 0."""
    if not timeout_s > 0:
        raise ValueError(f"timeout_s must be > 0, got {timeout_s}")
    return timeout_s


def grpc_timeout_s(timeout_s: float | None) -> float | None:
    """None, so no deadline, for infinity and all that gRPC's clock cannot add: it would end those calls at once."""
    return None if timeout_s is None or timeout_s >= FOREVER_S else timeout_s


class Sender:
    """Sends a call over a channel and waits for its result."""

    def __init__(self, connection: Connection, timeout_s: float) -> None:
        self.timeout_s = positive_timeout(timeout_s)
        self._metadata = connection.call_metadata
        self._channel = open_channel(connection)

    def send(self, call: Call[Result], timeout_s: float | None = None) -> Result:
        method = getattr(call.stub(self._channel), call.method)
        deadline_s = self.timeout_s if timeout_s is None else timeout_s
        try:
            response = method(call.request, timeout=grpc_timeout_s(deadline_s), metadata=self._metadata)
        except grpc.RpcError as error:
            raise read_error(cast(FailedCall, error)) from error
        return call.read(response)

    def stream(self, call: LiveCall, timeout_s: float | None = None) -> Iterator[TranscriptionEvent]:
        """Events as they come; leaving early ends the call. No deadline unless one is given."""
        responses = self.open_stream(call, timeout_s)
        try:
            yield from read_stream(call, responses)
        finally:
            call.end()
            responses.cancel()

    def open_stream(self, call: LiveCall, timeout_s: float | None = None) -> Any:  # noqa: ANN401 - gRPC's call object
        """What is iterated for responses, and can be cancelled from any thread."""
        transcribe: Any = TranscriptionStub(self._channel).Transcribe
        return transcribe(call.requests(), timeout=grpc_timeout_s(timeout_s), metadata=self._metadata)

    def close(self) -> None:
        self._channel.close()


def read_stream(call: LiveCall, responses: Iterable[TranscribeResponse]) -> Iterator[TranscriptionEvent]:
    """The events; then what the caller's own iterator of chunks raised, if it did."""
    try:
        for response in responses:
            if (event := call.read(response)) is not None:
                yield event
    except grpc.RpcError as error:
        raise read_error(cast(FailedCall, error)) from error
    if call.failure is not None:
        raise call.failure


class Client:
    """Blocking calls to an Equivox server; safe to share between threads.

    `timeout_s` is the deadline of each call unless the call gives its own. Every method raises EquivoxError when the
    call fails, OSError when a path cannot be read, and TypeError or ValueError for arguments that can never be right.
    """

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
        self._attach(Sender(connection, timeout_s))

    @classmethod
    def over(cls, transport: Transport) -> Self:
        """A client whose calls go another way than over a channel of its own."""
        client = cls.__new__(cls)
        client._attach(transport)
        return client

    def _attach(self, transport: Transport) -> None:
        self._sender = transport
        self.profiles = ProfilesClient(transport)
        self.models = ModelsClient(transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection; calls under way are cancelled."""
        self._sender.close()

    def embed(self, audio: AudioLike, *, timeout_s: float | None = None) -> results.EmbedResult:
        """One clip -> its embedding and quality."""
        return self._sender.send(calls.embed(audio), timeout_s)

    def verify(
        self, enrolment: VoiceLike, test: VoiceLike, *, policy: PolicyLike = None, timeout_s: float | None = None
    ) -> results.Verification:
        """Compares two voices and decides under a policy."""
        return self._sender.send(calls.verify(enrolment, test, policy=policy), timeout_s)

    def identify(
        self,
        test: VoiceLike,
        *,
        max_matches: int = 5,
        policy: PolicyLike = None,
        profile_ids: Sequence[str] = (),
        timeout_s: float | None = None,
    ) -> results.Identification:
        """Which enrolled person is this, if any; `profile_ids` restricts the search."""
        call = calls.identify(test, max_matches=max_matches, policy=policy, profile_ids=profile_ids)
        return self._sender.send(call, timeout_s)

    def diarize(
        self, audio: AudioLike, options: DiarizeOptions | None = None, *, timeout_s: float = DIARIZE_TIMEOUT_S
    ) -> results.DiarizationResult:
        """Who spoke when in a finished recording."""
        return self._sender.send(calls.diarize(audio, options or DiarizeOptions()), timeout_s)

    def transcribe(
        self, audio: StreamLike, options: TranscribeOptions | None = None, *, timeout_s: float | None = None
    ) -> Iterator[TranscriptionEvent]:
        """Live transcription: events while the audio is sent, which is no faster than the server allows.

        The stream has no deadline unless `timeout_s` sets one, and is never retried. Leaving the loop ends it. A file
        that turns out to be broken while it is sent is a ValueError after the events of what came before.
        """
        return self._sender.stream(LiveCall(to_source(audio), options or TranscribeOptions()), timeout_s)

    def transcribe_all(
        self, audio: StreamLike, options: TranscribeOptions | None = None, *, timeout_s: float | None = None
    ) -> Transcript:
        """The same once it is over, with every revision applied; UNAVAILABLE, reason DRAINING, when the server shut
        down before it had heard all.
        """
        transcript = Transcript.of(self.transcribe(audio, options, timeout_s=timeout_s))
        transcript.check_heard_to_end()
        return transcript

    def healthy(self, service: str = "", *, timeout_s: float | None = None) -> bool:
        """Whether the server, or one service of it (equivox.v1.Verification), is ready; False when out of reach."""
        try:
            return self._sender.send(calls.check_health(service), timeout_s)
        except EquivoxError as error:
            if error.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                return False
            raise

    def wait_until_healthy(self, service: str = "", *, timeout_s: float = 60.0) -> None:
        """Returns once the server is ready. Raises TimeoutError when it is not after `timeout_s`."""
        end_s = time.monotonic() + timeout_s
        while not self.healthy(service, timeout_s=max(HEALTH_POLL_S, end_s - time.monotonic())):
            if time.monotonic() >= end_s:
                raise TimeoutError(f"the server was not ready within {timeout_s:g} s")
            time.sleep(HEALTH_POLL_S)


class ProfilesClient:
    """Enrolled voices of the caller's tenant."""

    def __init__(self, sender: Transport) -> None:
        self._sender = sender

    def create(
        self,
        *,
        consent_reference: str,
        profile_id: str = "",
        display_name: str = "",
        expire_time: datetime | None = None,
        timeout_s: float | None = None,
    ) -> results.Profile:
        """Makes an empty profile; without `profile_id` the server chooses one. Never retried."""
        call = calls.create_profile(
            consent_reference=consent_reference,
            profile_id=profile_id,
            display_name=display_name,
            expire_time=expire_time,
        )
        return self._sender.send(call, timeout_s)

    def enroll(
        self,
        profile_id: str,
        utterances: AudioLike | Sequence[AudioLike],
        *,
        idempotency_key: str = "",
        timeout_s: float | None = None,
    ) -> results.EnrolmentResult:
        """Adds one clip or several, all or none.

        Without a key the client makes one for this call, which covers its own retries. Give your own to make repeats
        across calls or processes harmless too.
        """
        return self._sender.send(calls.enroll(profile_id, utterances, idempotency_key=idempotency_key), timeout_s)

    def get(self, profile_id: str, *, timeout_s: float | None = None) -> results.Profile:
        """One profile."""
        return self._sender.send(calls.get_profile(profile_id), timeout_s)

    def page(
        self, *, page_size: int = 100, page_token: str = "", timeout_s: float | None = None
    ) -> results.ProfilePage:
        """One page of profiles, ordered by profile_id."""
        return self._sender.send(calls.list_profiles(page_size=page_size, page_token=page_token), timeout_s)

    def list(self, *, page_size: int = 100, timeout_s: float | None = None) -> Iterator[results.Profile]:
        """All profiles, ordered by profile_id, fetched page by page as they are consumed; `timeout_s` is per page."""
        token = ""
        while True:
            page = self.page(page_size=page_size, page_token=token, timeout_s=timeout_s)
            yield from page.profiles
            if not (token := page.next_page_token):
                return

    def delete(self, profile_id: str, *, timeout_s: float | None = None) -> int:
        """Deletes a profile from memory and disk; returns how many voiceprints were destroyed. Never retried:
        the repeat of a deletion whose answer was lost would report NOT_FOUND."""
        return self._sender.send(calls.delete_profile(profile_id), timeout_s)

    def export(self, profile_id: str, *, timeout_s: float | None = None) -> results.ProfileExport:
        """Everything held about one person."""
        return self._sender.send(calls.export_profile(profile_id), timeout_s)


class ModelsClient:
    """What the server runs."""

    def __init__(self, sender: Transport) -> None:
        self._sender = sender

    def list(self, *, timeout_s: float | None = None) -> tuple[results.LoadedModel, ...]:
        """Every loaded model and calibration."""
        return self._sender.send(calls.list_models(), timeout_s)

    def card(self, name: str, *, timeout_s: float | None = None) -> str:
        """The TOML card of one of them."""
        return self._sender.send(calls.get_card(name), timeout_s)

    def fairness_report(self, name: str, *, timeout_s: float | None = None) -> results.FairnessReport:
        """Its error rates by group."""
        return self._sender.send(calls.get_fairness_report(name), timeout_s)
