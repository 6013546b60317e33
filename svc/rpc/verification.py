"""Verification: is this the same person; which enrolled person, if any, is this."""

from typing import Any

from grpc.aio import ServicerContext

from equivox.v1.verification_pb2 import IdentifyRequest, IdentifyResponse, VerifyRequest, VerifyResponse, Voice
from equivox.v1.verification_pb2_grpc import VerificationServicer as Contract
from svc.application import Application
from svc.errors import VoiceMissingError
from svc.rpc.call import tenant_of_call
from svc.rpc.convert import RequestClips, at_field, to_max_matches, to_policy, to_profile_ids, to_voiceprint
from svc.rpc.convert_answers import from_identification, from_verification
from svc.rpc.offload import Offload
from svc.types import Voiceprint, Waveform


class VerificationServicer(Contract):
    """equivox.v1.Verification."""

    def __init__(self, application: Application, offload: Offload) -> None:
        self.application = application
        self.offload = offload

    async def Verify(self, request: VerifyRequest, context: ServicerContext[Any, Any]) -> VerifyResponse:
        return await self.offload.run(self.verify, request)

    async def Identify(self, request: IdentifyRequest, context: ServicerContext[Any, Any]) -> IdentifyResponse:
        return await self.offload.run(self.identify, request)

    def verify(self, request: VerifyRequest) -> VerifyResponse:
        """The blocking half."""
        policy = to_policy(request.policy, self.application.policies)
        clips = RequestClips(self.application.config.audio)
        enrolment = self.voice_of(request.enrolment, "enrolment", clips)
        test = self.voice_of(request.test, "test", clips)
        return from_verification(self.application.verifier.verify(enrolment, test, policy))

    def identify(self, request: IdentifyRequest) -> IdentifyResponse:
        """The blocking half."""
        policy = to_policy(request.policy, self.application.policies)
        max_matches = to_max_matches(request.max_matches)
        profile_ids = to_profile_ids(request.profile_ids)
        voice = self.voice_of(request.test, "test", RequestClips(self.application.config.audio))
        if isinstance(voice, Waveform):
            with at_field("test.audio"):
                voice = self.application.extractor.extract(voice).voiceprint
        answer = self.application.identifier.identify(
            tenant_of_call(),
            voice,
            policy,
            max_matches=max_matches,
            profile_ids=profile_ids,
            exclude_profile_id=request.test.profile_id,
        )
        return from_identification(answer)

    def voice_of(self, voice: Voice, side: str, clips: RequestClips) -> Waveform | Voiceprint:
        """Whatever stands for one side of a comparison."""
        match voice.WhichOneof("source"):
            case "audio":
                return clips.decode(voice.audio, field=f"{side}.audio")
            case "profile_id":
                with at_field(side):
                    return self.application.profiles.voiceprint(tenant_of_call(), voice.profile_id)
            case "embedding":
                embedder = self.application.embedder
                return to_voiceprint(
                    voice.embedding,
                    field=f"{side}.embedding",
                    fingerprint=embedder.fingerprint,
                    dimension=embedder.dimension,
                )
            case _:
                raise VoiceMissingError(f"{side} is empty: set audio, profile_id or embedding", field=side)
