"""Diarization: who spoke when in a finished recording."""

from typing import Any

from grpc.aio import ServicerContext

from equivox.v1.diarization_pb2 import DiarizeRequest, DiarizeResponse
from equivox.v1.diarization_pb2_grpc import DiarizationServicer as Contract
from svc.application import Application
from svc.backends.call_scope import check_wanted
from svc.pipelines.naming import name_speakers
from svc.rpc.call import tenant_of_call
from svc.rpc.convert import to_policy, to_waveform
from svc.rpc.convert_answers import from_diarization
from svc.rpc.offload import Offload


class DiarizationServicer(Contract):
    """equivox.v1.Diarization."""

    def __init__(self, application: Application, offload: Offload) -> None:
        self.application = application
        self.offload = offload

    async def Diarize(self, request: DiarizeRequest, context: ServicerContext[Any, Any]) -> DiarizeResponse:
        return await self.offload.run(self.diarize, request, recording=True)

    def diarize(self, request: DiarizeRequest) -> DiarizeResponse:
        """The blocking half."""
        policy = to_policy(request.policy, self.application.policies) if request.identify else None
        result = self.application.diarizer.diarize(
            to_waveform(request.audio, field="audio", limits=self.application.config.audio),
            num_speakers=request.num_speakers or None,
            min_speakers=request.min_speakers or None,
            max_speakers=request.max_speakers or None,
            progress=stop_when_abandoned,
        )
        if policy is not None:
            result = name_speakers(result, self.application.identifier, tenant=tenant_of_call(), policy=policy)
        return from_diarization(result, with_embeddings=request.with_embeddings)


def stop_when_abandoned(_progress: float) -> None:
    """Ends a long recording's work between two windows once nobody waits for it."""
    check_wanted()
