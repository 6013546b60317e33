"""Transcription: in the contract, its models not yet in the server."""

from collections.abc import AsyncIterator
from typing import Any

from grpc.aio import ServicerContext

from equivox.v1.transcription_pb2 import TranscribeRequest, TranscribeResponse
from equivox.v1.transcription_pb2_grpc import TranscriptionServicer as Contract
from svc.errors import NotImplementedYetError


class TranscriptionServicer(Contract):
    """equivox.v1.Transcription; answers UNIMPLEMENTED."""

    async def Transcribe(
        self, requests: AsyncIterator[TranscribeRequest], context: ServicerContext[Any, Any]
    ) -> AsyncIterator[TranscribeResponse]:
        raise NotImplementedYetError("Transcribe is not in this release; Diarization.Diarize tells who spoke when")
        yield  # makes this a stream, as the contract wants it
