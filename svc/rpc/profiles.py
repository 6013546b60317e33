"""Profiles: enrolled voices of the caller's tenant."""

from typing import Any

from grpc.aio import ServicerContext

from equivox.v1.profiles_pb2 import (
    CreateRequest,
    CreateResponse,
    DeleteRequest,
    DeleteResponse,
    EnrollRequest,
    EnrollResponse,
    ExportRequest,
    ExportResponse,
    GetRequest,
    GetResponse,
    ProfilesListRequest,
    ProfilesListResponse,
)
from equivox.v1.profiles_pb2_grpc import ProfilesServicer as Contract
from svc.application import Application
from svc.rpc.call import tenant_of_call
from svc.rpc.convert import RequestClips, to_page_size, to_unix_s
from svc.rpc.convert_answers import from_enrolment, from_enrolment_result, from_profile
from svc.rpc.offload import Offload


class ProfilesServicer(Contract):
    """equivox.v1.Profiles. The disk blocks, so every method has a half that runs off the event loop."""

    def __init__(self, application: Application, offload: Offload) -> None:
        self.application = application
        self.offload = offload

    async def Create(self, request: CreateRequest, context: ServicerContext[Any, Any]) -> CreateResponse:
        return await self.offload.run(self.create, request)

    async def Enroll(self, request: EnrollRequest, context: ServicerContext[Any, Any]) -> EnrollResponse:
        return await self.offload.run(self.enroll, request)

    async def Get(self, request: GetRequest, context: ServicerContext[Any, Any]) -> GetResponse:
        return await self.offload.run(self.get, request)

    async def List(self, request: ProfilesListRequest, context: ServicerContext[Any, Any]) -> ProfilesListResponse:
        return await self.offload.run(self.list, request)

    async def Delete(self, request: DeleteRequest, context: ServicerContext[Any, Any]) -> DeleteResponse:
        return await self.offload.run(self.delete, request)

    async def Export(self, request: ExportRequest, context: ServicerContext[Any, Any]) -> ExportResponse:
        return await self.offload.run(self.export, request)

    def create(self, request: CreateRequest) -> CreateResponse:
        expires = request.HasField("expire_time")
        profile = self.application.profiles.create(
            tenant_of_call(),
            profile_id=request.profile_id,
            display_name=request.display_name,
            consent_reference=request.consent_reference,
            expires_at_s=to_unix_s(request.expire_time, field="expire_time") if expires else None,
        )
        return CreateResponse(profile=from_profile(profile))

    def enroll(self, request: EnrollRequest) -> EnrollResponse:
        self.application.enroller.check_num_utterances(len(request.utterances))
        clips = RequestClips(self.application.config.audio)
        result = self.application.enroller.enroll(
            tenant_of_call(),
            request.profile_id,
            [clips.decode(audio, field=f"utterances[{number}]") for number, audio in enumerate(request.utterances)],
            idempotency_key=request.idempotency_key,
        )
        return from_enrolment_result(result)

    def get(self, request: GetRequest) -> GetResponse:
        return GetResponse(profile=from_profile(self.application.profiles.get(tenant_of_call(), request.profile_id)))

    def list(self, request: ProfilesListRequest) -> ProfilesListResponse:
        profiles, next_page_token = self.application.profiles.list(
            tenant_of_call(), page_size=to_page_size(request.page_size), page_token=request.page_token
        )
        return ProfilesListResponse(
            profiles=[from_profile(profile) for profile in profiles], next_page_token=next_page_token
        )

    def delete(self, request: DeleteRequest) -> DeleteResponse:
        num_deleted = self.application.profiles.delete(tenant_of_call(), request.profile_id)
        return DeleteResponse(num_enrolments_deleted=num_deleted)

    def export(self, request: ExportRequest) -> ExportResponse:
        tenant, profile_id = tenant_of_call(), request.profile_id
        return ExportResponse(
            profile=from_profile(self.application.profiles.get(tenant, profile_id)),
            enrolments=[
                from_enrolment(enrolment) for enrolment in self.application.profiles.enrolments(tenant, profile_id)
            ],
        )
