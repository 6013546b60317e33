"""Embeddings: a clip in, its voice embedding out."""

from typing import Any

from grpc.aio import ServicerContext

from equivox.v1.embeddings_pb2 import EmbedRequest, EmbedResponse
from equivox.v1.embeddings_pb2_grpc import EmbeddingsServicer as Contract
from svc.application import Application
from svc.rpc.convert import RequestClips, at_field, from_quality, from_voiceprint
from svc.rpc.offload import Offload


class EmbeddingsServicer(Contract):
    """equivox.v1.Embeddings."""

    def __init__(self, application: Application, offload: Offload) -> None:
        self.application = application
        self.offload = offload

    async def Embed(self, request: EmbedRequest, context: ServicerContext[Any, Any]) -> EmbedResponse:
        return await self.offload.run(self.embed, request)

    def embed(self, request: EmbedRequest) -> EmbedResponse:
        """The blocking half."""
        waveform = RequestClips(self.application.config.audio).decode(request.audio, field="audio")
        with at_field("audio"):
            extraction = self.application.extractor.extract(waveform)
        return EmbedResponse(embedding=from_voiceprint(extraction.voiceprint), quality=from_quality(extraction.quality))
