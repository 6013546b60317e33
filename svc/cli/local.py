"""Calls without a server: the servicers themselves, in this process. So both ways give the same answers and errors."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import grpc
from google.protobuf.message import Message
from prometheus_client import CollectorRegistry

from equivox.calls import Call, Result
from equivox.client import read_stream
from equivox.errors import read_error
from equivox.streaming import LiveCall
from equivox.transcripts import TranscriptionEvent
from equivox.v1.diarization_pb2_grpc import DiarizationStub
from equivox.v1.embeddings_pb2_grpc import EmbeddingsStub
from equivox.v1.models_pb2_grpc import ModelsStub
from equivox.v1.profiles_pb2_grpc import ProfilesStub
from equivox.v1.verification_pb2_grpc import VerificationStub
from svc.application import Application
from svc.backends.protocols import Embedder, Segmenter
from svc.cli.local_stream import asking, closed, drive
from svc.config import EquivoxConfig
from svc.errors import ServiceError, StorageError
from svc.pipelines.diarization import Diarizer
from svc.pipelines.local_voices import Progress
from svc.profiles.sqlite import SqliteProfileStore
from svc.rpc.diarization import DiarizationServicer
from svc.rpc.embeddings import EmbeddingsServicer
from svc.rpc.models import ModelsServicer
from svc.rpc.offload import Offload
from svc.rpc.profiles import ProfilesServicer
from svc.rpc.status import status_code_of, trailing_details
from svc.rpc.stream_telemetry import StreamMetrics
from svc.rpc.transcription import TranscriptionServicer
from svc.rpc.verification import VerificationServicer
from svc.types import DiarizationResult, Waveform

YEAR_S = 365 * 86_400.0


def run_here(work: Coroutine[Any, Any, Message]) -> Message:
    """Runs it to its end or to Ctrl-C. asyncio.run would let work that never awaits finish first: it only cancels."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


class Inline(Offload):
    """Runs a servicer's blocking half where it stands: a command has no other call to keep waiting."""

    def __init__(self) -> None:
        super().__init__(light_threads=1, heavy_threads=1)

    async def run(self, work: Callable[[Any], Any], request: Message, *, recording: bool = False) -> Any:  # noqa: ANN401
        return work(request)


class ReportingDiarizer(Diarizer):
    """Tells somebody who waits how far it is: a servicer only asks whether anybody still does."""

    def __init__(self, *, segmenter: Segmenter, embedder: Embedder, report: Progress) -> None:
        super().__init__(segmenter=segmenter, embedder=embedder)
        self.report = report

    def diarize(
        self,
        waveform: Waveform,
        *,
        num_speakers: int | None = None,
        min_speakers: int | None = None,
        max_speakers: int | None = None,
        progress: Progress | None = None,
    ) -> DiarizationResult:
        return super().diarize(
            waveform,
            num_speakers=num_speakers,
            min_speakers=min_speakers,
            max_speakers=max_speakers,
            progress=self.report,
        )


class LocalApplication(Application):
    """An Application for one person at a terminal."""

    def __init__(self, config: EquivoxConfig, report: Progress) -> None:
        # One person with one stream, who may send it as fast as this machine works and pause as long as they like.
        # A file must give the same every time.
        alone = replace(config.transcription, max_streams=1, max_speed=0.0, idle_timeout_s=YEAR_S, voice_threads=0)
        super().__init__(replace(config, transcription=alone))
        self.report = report

    @cached_property
    def profiles(self) -> SqliteProfileStore:
        """Without what has expired: where no server runs nobody else erases it."""
        store = super().profiles
        # A busy database is the next command's to sweep; what has expired is not used meanwhile.
        with suppress(StorageError):
            store.sweep(time.time())
        return store

    @cached_property
    def diarizer(self) -> Diarizer:
        return ReportingDiarizer(segmenter=self.segmenter, embedder=self.embedder, report=self.report)


@dataclass(frozen=True)
class Refusal:
    """A domain error as the failed call a server would have made of it, its message whole: no header limits it."""

    error: ServiceError

    def code(self) -> grpc.StatusCode:
        return status_code_of(self.error)

    def details(self) -> str:
        return self.error.message

    def trailing_metadata(self) -> tuple[tuple[str, bytes], ...]:
        return trailing_details(self.error)


class LocalTransport:
    """Carries a client's calls to an Application of its own. Models load on first use."""

    def __init__(self, application: Application) -> None:
        self.application = application
        inline = Inline()
        self._servicers: dict[Any, Any] = {
            EmbeddingsStub: EmbeddingsServicer(self.application, inline),
            VerificationStub: VerificationServicer(self.application, inline),
            DiarizationStub: DiarizationServicer(self.application, inline),
            ProfilesStub: ProfilesServicer(self.application, inline),
            ModelsStub: ModelsServicer(self.application),
        }

    def send(self, call: Call[Result], timeout_s: float | None = None) -> Result:
        """A deadline means nothing here: nobody else waits, and the person has Ctrl-C."""
        method = getattr(self._servicers[call.stub], call.method)
        try:
            return call.read(run_here(method(call.request, None)))
        except ServiceError as error:
            raise read_error(Refusal(error)) from error

    def stream(self, call: LiveCall, timeout_s: float | None = None) -> Iterator[TranscriptionEvent]:
        """The same for a live transcription: between two events nothing runs but the threads."""
        servicer = TranscriptionServicer(self.application, StreamMetrics(CollectorRegistry()))
        with asyncio.Runner() as runner, closing(servicer):
            responses = servicer.Transcribe(asking(call), None)
            try:
                yield from read_stream(call, drive(runner, responses))
            except ServiceError as error:
                raise read_error(Refusal(error)) from error
            finally:
                call.end()
                runner.run(closed(responses))

    def close(self) -> None:
        self.application.close()
