"""Every call of the contract once: which method, with what request, and how its response is read.

Client and AsyncClient only differ in how they wait, so they share all of this.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from equivox import requests, responses, results
from equivox.audio import AudioLike, to_audio
from equivox.requests import DiarizeOptions, PolicyLike, VoiceLike
from equivox.v1 import (
    diarization_pb2_grpc,
    embeddings_pb2,
    embeddings_pb2_grpc,
    models_pb2,
    models_pb2_grpc,
    profiles_pb2,
    profiles_pb2_grpc,
    verification_pb2,
    verification_pb2_grpc,
)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Call(Generic[Result]):
    """One unary call, ready to be sent."""

    stub: Callable[[Any], Any]
    method: str
    request: Message
    read: Callable[[Any], Result]


def embed(audio: AudioLike) -> Call[results.EmbedResult]:
    request = embeddings_pb2.EmbedRequest(audio=to_audio(audio))
    return Call(embeddings_pb2_grpc.EmbeddingsStub, "Embed", request, responses.read_embed)


def verify(enrolment: VoiceLike, test: VoiceLike, *, policy: PolicyLike) -> Call[results.Verification]:
    request = verification_pb2.VerifyRequest(
        enrolment=requests.to_voice(enrolment), test=requests.to_voice(test), policy=requests.to_policy(policy)
    )
    return Call(verification_pb2_grpc.VerificationStub, "Verify", request, responses.read_verification)


def identify(
    test: VoiceLike, *, max_matches: int, policy: PolicyLike, profile_ids: Sequence[str]
) -> Call[results.Identification]:
    request = verification_pb2.IdentifyRequest(
        test=requests.to_voice(test),
        max_matches=max_matches,
        policy=requests.to_policy(policy),
        profile_ids=profile_ids,
    )
    return Call(verification_pb2_grpc.VerificationStub, "Identify", request, responses.read_identification)


def diarize(audio: AudioLike, options: DiarizeOptions) -> Call[results.DiarizationResult]:
    request = requests.to_diarize_request(audio, options)
    return Call(diarization_pb2_grpc.DiarizationStub, "Diarize", request, responses.read_diarization)


def create_profile(
    *, consent_reference: str, profile_id: str, display_name: str, expire_time: datetime | None
) -> Call[results.Profile]:
    request = profiles_pb2.CreateRequest(
        profile_id=profile_id,
        display_name=display_name,
        consent_reference=consent_reference,
        expire_time=requests.to_timestamp(expire_time),
    )
    return _profiles("Create", request, lambda response: responses.read_profile(response.profile))


def enroll(
    profile_id: str, utterances: AudioLike | Sequence[AudioLike], *, idempotency_key: str
) -> Call[results.EnrolmentResult]:
    """Always carries an idempotency key, so that a repeat after a lost answer adds nothing twice."""
    request = profiles_pb2.EnrollRequest(
        profile_id=profile_id,
        utterances=requests.to_utterances(utterances),
        idempotency_key=idempotency_key or uuid.uuid4().hex,
    )
    return _profiles("Enroll", request, responses.read_enrolment_result)


def get_profile(profile_id: str) -> Call[results.Profile]:
    request = profiles_pb2.GetRequest(profile_id=profile_id)
    return _profiles("Get", request, lambda response: responses.read_profile(response.profile))


def list_profiles(*, page_size: int, page_token: str) -> Call[results.ProfilePage]:
    request = profiles_pb2.ProfilesListRequest(page_size=page_size, page_token=page_token)
    return _profiles("List", request, responses.read_page)


def delete_profile(profile_id: str) -> Call[int]:
    request = profiles_pb2.DeleteRequest(profile_id=profile_id)
    return _profiles("Delete", request, lambda response: int(response.num_enrolments_deleted))


def export_profile(profile_id: str) -> Call[results.ProfileExport]:
    return _profiles("Export", profiles_pb2.ExportRequest(profile_id=profile_id), responses.read_export)


def list_models() -> Call[tuple[results.LoadedModel, ...]]:
    return Call(models_pb2_grpc.ModelsStub, "List", models_pb2.ModelsListRequest(), responses.read_models)


def get_card(name: str) -> Call[str]:
    request = models_pb2.GetCardRequest(name=name)
    return Call(models_pb2_grpc.ModelsStub, "GetCard", request, lambda response: str(response.card_toml))


def get_fairness_report(name: str) -> Call[results.FairnessReport]:
    request = models_pb2.GetFairnessReportRequest(name=name)
    return Call(models_pb2_grpc.ModelsStub, "GetFairnessReport", request, responses.read_fairness)


def check_health(service: str) -> Call[bool]:
    """True when `service` ("equivox.v1.Verification"; empty = the whole server) says it is serving."""
    request = health_pb2.HealthCheckRequest(service=service)
    serving = health_pb2.HealthCheckResponse.SERVING
    return Call(health_pb2_grpc.HealthStub, "Check", request, lambda response: bool(response.status == serving))


def _profiles(method: str, request: Message, read: Callable[[Any], Result]) -> Call[Result]:
    return Call(profiles_pb2_grpc.ProfilesStub, method, request, read)
