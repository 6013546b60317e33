"""The whole contract over a real channel, with the real pipelines around tiny models."""

import math
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest
from grpc import StatusCode

from equivox.v1 import (
    diarization_pb2_grpc,
    embeddings_pb2_grpc,
    models_pb2_grpc,
    profiles_pb2_grpc,
    verification_pb2_grpc,
)
from equivox.v1.audio_pb2 import PCM_ENCODING_MULAW, Audio, PcmAudio
from equivox.v1.diarization_pb2 import DiarizeRequest
from equivox.v1.embeddings_pb2 import Embedding, EmbedRequest
from equivox.v1.models_pb2 import GetCardRequest, ModelsListRequest
from equivox.v1.profiles_pb2 import (
    CreateRequest,
    DeleteRequest,
    EnrollRequest,
    ExportRequest,
    GetRequest,
    ProfilesListRequest,
)
from equivox.v1.verification_pb2 import (
    DECISION_ACCEPT,
    DECISION_REJECT,
    IdentifyRequest,
    Policy,
    VerifyRequest,
    Voice,
)
from svc.cli.local import Inline
from svc.errors import ServiceError
from svc.rpc.profiles import ProfilesServicer
from tests.rpc.speech import audio_of, said, voice
from tests.rpc.tiny_application import NUM_BANDS, TINY_FINGERPRINT, TinyApplication, tiny_config
from tests.rpc.toy_server import detail_of, reason_of, refusal


class Caller:
    """All stubs of one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.embeddings: Any = embeddings_pb2_grpc.EmbeddingsStub(channel)
        self.verification: Any = verification_pb2_grpc.VerificationStub(channel)
        self.profiles: Any = profiles_pb2_grpc.ProfilesStub(channel)
        self.diarization: Any = diarization_pb2_grpc.DiarizationStub(channel)
        self.models: Any = models_pb2_grpc.ModelsStub(channel)

    async def enrol(self, name: str) -> None:
        await self.profiles.Create(CreateRequest(profile_id=name, display_name=name.title(), consent_reference="paper"))
        await self.profiles.Enroll(EnrollRequest(profile_id=name, utterances=[said(name, seed=1), said(name, seed=2)]))


@pytest.fixture
def caller(channel: grpc.aio.Channel) -> Caller:
    return Caller(channel)


async def test_embed_answers_a_unit_vector_and_the_quality(caller: Caller) -> None:
    answer = await caller.embeddings.Embed(EmbedRequest(audio=said("ann", seconds=4.0)))
    assert np.linalg.norm(answer.embedding.values) == pytest.approx(1, abs=1e-6)
    assert answer.embedding.model_fingerprint == TINY_FINGERPRINT
    assert answer.quality.duration_s == pytest.approx(4.0)
    assert answer.quality.net_speech_s == pytest.approx(3.0, abs=0.5)


@pytest.mark.parametrize(("other", "decision"), [("ann", DECISION_ACCEPT), ("ben", DECISION_REJECT)])
async def test_verify_tells_two_voices_apart(caller: Caller, other: str, decision: int) -> None:
    request = VerifyRequest(enrolment=Voice(audio=said("ann")), test=Voice(audio=said(other, seed=5)))
    answer = await caller.verification.Verify(request)
    assert answer.decision == decision
    assert (answer.policy_id, answer.calibration_id) == ("balanced", "tiny")
    assert (answer.llr > 0) == (decision == DECISION_ACCEPT)


async def test_verify_gives_the_same_llr_from_audio_profile_or_embedding(caller: Caller) -> None:
    await caller.profiles.Create(CreateRequest(profile_id="ann", consent_reference="paper"))
    await caller.profiles.Enroll(EnrollRequest(profile_id="ann", utterances=[said("ann")]))
    embedding = (await caller.embeddings.Embed(EmbedRequest(audio=said("ann")))).embedding
    sides = [Voice(audio=said("ann")), Voice(profile_id="ann"), Voice(embedding=embedding)]
    # Between the bounds of the calibration, where the llr hardly moves.
    test = Voice(audio=audio_of(voice("ann", seed=5) + 0.3 * voice("ben")))
    answers = [await caller.verification.Verify(VerifyRequest(enrolment=side, test=test)) for side in sides]
    assert [answer.llr for answer in answers] == pytest.approx([answers[0].llr] * 3, abs=1e-3)
    assert [answer.score for answer in answers] == pytest.approx([answers[0].score] * 3, abs=1e-4)


async def test_identify_finds_the_enrolled_voice_and_nobody_for_a_stranger(caller: Caller) -> None:
    await caller.enrol("ann")
    await caller.enrol("ben")
    known = await caller.verification.Identify(IdentifyRequest(test=Voice(audio=said("ben", seed=9))))
    assert [match.profile_id for match in known.matches] == ["ben"]
    assert known.matches[0].display_name == "Ben"
    assert known.num_searched == 2
    stranger = await caller.verification.Identify(IdentifyRequest(test=Voice(audio=said("cleo"))))
    assert not stranger.matches
    assert stranger.decision == DECISION_REJECT


async def test_a_profile_does_not_identify_as_itself(caller: Caller) -> None:
    await caller.enrol("ann")
    answer = await caller.verification.Identify(IdentifyRequest(test=Voice(profile_id="ann")))
    assert not answer.matches
    assert answer.num_searched == 0


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        (
            "Verify",
            VerifyRequest(enrolment=Voice(profile_id=""), test=Voice(audio=said("ann"))),
            "enrolment.profile_id",
        ),
        ("Verify", VerifyRequest(enrolment=Voice(audio=said("ann")), test=Voice(profile_id="")), "test.profile_id"),
        ("Identify", IdentifyRequest(test=Voice(profile_id="")), "test.profile_id"),
        ("Identify", IdentifyRequest(test=Voice(audio=said("ann")), profile_ids=["ann", ""]), "profile_ids[1]"),
    ],
)
async def test_an_empty_profile_id_is_named_by_its_place(
    caller: Caller, method: str, request_: Message, field: str
) -> None:
    error = await refusal(getattr(caller.verification, method)(request_))
    assert detail_of(error, BadRequest).field_violations[0].field == field


async def test_a_lone_match_has_infinite_margin(caller: Caller) -> None:
    await caller.enrol("ann")
    answer = await caller.verification.Identify(IdentifyRequest(test=Voice(audio=said("ann", seed=9))))
    assert answer.matches[0].margin == math.inf


async def test_a_profile_lives_from_create_to_delete(caller: Caller) -> None:
    await caller.enrol("ann")
    profile = (await caller.profiles.Get(GetRequest(profile_id="ann"))).profile
    assert (profile.display_name, profile.num_enrolments) == ("Ann", 2)
    export = await caller.profiles.Export(ExportRequest(profile_id="ann"))
    assert [len(enrolment.embedding.values) for enrolment in export.enrolments] == [NUM_BANDS] * 2
    assert (await caller.profiles.Delete(DeleteRequest(profile_id="ann"))).num_enrolments_deleted == 2
    assert reason_of(await refusal(caller.profiles.Get(GetRequest(profile_id="ann")))) == "PROFILE_NOT_FOUND"


async def test_profiles_are_listed_page_by_page(caller: Caller) -> None:
    for number in range(5):
        await caller.profiles.Create(CreateRequest(profile_id=f"p{number}", consent_reference="paper"))
    seen, token = [], ""
    while True:
        page = await caller.profiles.List(ProfilesListRequest(page_size=2, page_token=token))
        seen += [profile.profile_id for profile in page.profiles]
        token = page.next_page_token
        if not token:
            break
    assert seen == [f"p{number}" for number in range(5)]


async def test_an_enrolment_repeated_under_its_key_adds_nothing(caller: Caller) -> None:
    await caller.profiles.Create(CreateRequest(profile_id="ann", consent_reference="paper"))
    request = EnrollRequest(profile_id="ann", utterances=[said("ann")], idempotency_key="k1")
    first, second = await caller.profiles.Enroll(request), await caller.profiles.Enroll(request)
    assert first == second
    assert second.profile.num_enrolments == 1


@pytest.mark.parametrize(("number", "field"), [(2, "utterances[0]"), (3, "utterances")])
def test_more_utterances_than_configured_are_refused_before_any_is_decoded(
    tmp_path: Path, number: int, field: str
) -> None:
    config = tiny_config(tmp_path)
    config = replace(config, profiles=replace(config.profiles, max_utterances=2))
    no_sound = EnrollRequest(profile_id="jo", utterances=[Audio()] * number)
    with closing(TinyApplication(config)) as application, pytest.raises(ServiceError) as caught:
        ProfilesServicer(application, Inline()).enroll(no_sound)
    assert caught.value.field == field


async def test_diarize_finds_turns_and_names_the_enrolled(caller: Caller) -> None:
    await caller.enrol("ann")
    silence = np.zeros(16_000, np.float32)
    recording = audio_of(np.concatenate([voice("ann", seconds=4), silence, voice("ann", seconds=4)]))
    answer = await caller.diarization.Diarize(DiarizeRequest(audio=recording, identify=True))
    assert len(answer.turns) >= 1
    assert answer.duration_s == pytest.approx(9.0)
    assert answer.speakers[0].profile.profile_id == "ann"
    assert not answer.speakers[0].HasField("embedding")


async def test_models_tell_what_runs_and_their_cards(caller: Caller) -> None:
    models = (await caller.models.List(ModelsListRequest())).models
    assert {model.role for model in models} == {
        "embedder",
        "voice-activity",
        "segmenter",
        "calibration",
        "transcriber",
    }
    card = await caller.models.GetCard(GetCardRequest(name="tiny"))
    assert card.card_toml == 'name = "tiny"'


ANN = Voice(audio=said("ann"))
# More than half of what one request may carry.
LONG = Audio(pcm=PcmAudio(encoding=PCM_ENCODING_MULAW, sample_rate_hz=8000, samples=bytes(35 * 8000)))
FOREIGN = Voice(embedding=Embedding(values=[1.0, 0.0], model_fingerprint="other", net_speech_s=3, band=2))  # type: ignore[arg-type]
BAD_REQUESTS: dict[str, tuple[str, str, Any, StatusCode, str]] = {
    "no audio": ("embeddings", "Embed", EmbedRequest(), StatusCode.INVALID_ARGUMENT, "AUDIO_MISSING"),
    "not audio": (
        "embeddings",
        "Embed",
        EmbedRequest(audio=Audio(container=b"these are words")),
        StatusCode.INVALID_ARGUMENT,
        "AUDIO_FORMAT",
    ),
    "silence": (
        "embeddings",
        "Embed",
        EmbedRequest(audio=audio_of(np.zeros(16_000, np.float32))),
        StatusCode.INVALID_ARGUMENT,
        "TOO_LITTLE_SPEECH",
    ),
    "NaN": (
        "embeddings",
        "Embed",
        EmbedRequest(audio=audio_of(np.full(16_000, np.nan, np.float32))),
        StatusCode.INVALID_ARGUMENT,
        "AUDIO_NOT_FINITE",
    ),
    "clips too long together": (
        "profiles",
        "Enroll",
        EnrollRequest(profile_id="a", utterances=[LONG, LONG]),
        StatusCode.INVALID_ARGUMENT,
        "AUDIO_TOO_LONG",
    ),
    "sides too long together": (
        "verification",
        "Verify",
        VerifyRequest(enrolment=Voice(audio=LONG), test=Voice(audio=LONG)),
        StatusCode.INVALID_ARGUMENT,
        "AUDIO_TOO_LONG",
    ),
    "4 kHz": (
        "embeddings",
        "Embed",
        EmbedRequest(audio=audio_of(voice("ann"), rate_hz=4000)),
        StatusCode.INVALID_ARGUMENT,
        "RATE_UNSUPPORTED",
    ),
    "one side empty": (
        "verification",
        "Verify",
        VerifyRequest(enrolment=ANN),
        StatusCode.INVALID_ARGUMENT,
        "VOICE_MISSING",
    ),
    "another model's embedding": (
        "verification",
        "Verify",
        VerifyRequest(enrolment=FOREIGN, test=ANN),
        StatusCode.FAILED_PRECONDITION,
        "FINGERPRINT_MISMATCH",
    ),
    "two of another model": (
        "verification",
        "Verify",
        VerifyRequest(enrolment=FOREIGN, test=FOREIGN),
        StatusCode.FAILED_PRECONDITION,
        "FINGERPRINT_MISMATCH",
    ),
    "identify another model's": (
        "verification",
        "Identify",
        IdentifyRequest(test=FOREIGN),
        StatusCode.FAILED_PRECONDITION,
        "FINGERPRINT_MISMATCH",
    ),
    "unknown policy": (
        "verification",
        "Verify",
        VerifyRequest(enrolment=ANN, test=ANN, policy=Policy(name="whatever")),
        StatusCode.INVALID_ARGUMENT,
        "POLICY_UNKNOWN",
    ),
    "unknown profile": (
        "verification",
        "Verify",
        VerifyRequest(enrolment=Voice(profile_id="nobody"), test=ANN),
        StatusCode.NOT_FOUND,
        "PROFILE_NOT_FOUND",
    ),
    "no consent": (
        "profiles",
        "Create",
        CreateRequest(profile_id="a"),
        StatusCode.INVALID_ARGUMENT,
        "CONSENT_MISSING",
    ),
    "bad profile id": (
        "profiles",
        "Create",
        CreateRequest(profile_id="a b", consent_reference="paper"),
        StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
    ),
    "no utterance": (
        "profiles",
        "Enroll",
        EnrollRequest(profile_id="a"),
        StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
    ),
    "enrol nobody": (
        "profiles",
        "Enroll",
        EnrollRequest(profile_id="a", utterances=[said("ann")]),
        StatusCode.NOT_FOUND,
        "PROFILE_NOT_FOUND",
    ),
    "bad page token": (
        "profiles",
        "List",
        ProfilesListRequest(page_token="%%%"),
        StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
    ),
    "page too long": (
        "profiles",
        "List",
        ProfilesListRequest(page_size=1001),
        StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
    ),
    "contradictory speakers": (
        "diarization",
        "Diarize",
        DiarizeRequest(audio=said("ann"), min_speakers=3, max_speakers=2),
        StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
    ),
    "unknown model": ("models", "GetCard", GetCardRequest(name="gpt"), StatusCode.NOT_FOUND, "MODEL_NOT_FOUND"),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
async def test_a_callers_mistake_gets_its_own_error(caller: Caller, name: str) -> None:
    service, method, request, code, reason = BAD_REQUESTS[name]
    error = await refusal(getattr(getattr(caller, service), method)(request))
    assert (error.code(), reason_of(error)) == (code, reason)
    assert len(error.details() or "") > 10
