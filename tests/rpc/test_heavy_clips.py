"""Clips that take few bytes and last long: on which threads they are heard, and what is kept of them."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from threading import current_thread

import numpy as np
import pytest

from equivox.v1.audio_pb2 import Audio
from equivox.v1.embeddings_pb2 import EmbedRequest
from equivox.v1.profiles_pb2 import EnrollRequest
from equivox.v1.verification_pb2 import IdentifyRequest, VerifyRequest, Voice
from svc.backends.call_scope import CallScope, current_call
from svc.config import AudioConfig
from svc.errors import AudioTooLongError, CallAbandonedError, TooLittleSpeechError
from svc.rpc.call import Call, current
from svc.rpc.embeddings import EmbeddingsServicer
from svc.rpc.offload import HEAVY_BYTES, HEAVY_S, Offload
from svc.rpc.profiles import ProfilesServicer
from svc.rpc.verification import VerificationServicer
from svc.types import FloatArray
from tests.audio.containers import encoded, silent_opus
from tests.rpc.tiny_application import EnergyVoiceActivity, TinyApplication, tiny_config

Requests = EmbedRequest | VerifyRequest | IdentifyRequest | EnrollRequest


class NamingVoiceActivity(EnergyVoiceActivity):
    """Remembers which threads asked it."""

    def __init__(self) -> None:
        self.heard_on: list[str] = []

    def speech_probabilities(self, samples: FloatArray) -> FloatArray:
        self.heard_on.append(current_thread().name.partition("_")[0])
        return super().speech_probabilities(samples)


class NamingApplication(TinyApplication):
    @cached_property
    def voice_activity(self) -> NamingVoiceActivity:
        return NamingVoiceActivity()


@pytest.fixture
def application(tmp_path: Path) -> Iterator[NamingApplication]:
    application = NamingApplication(tiny_config(tmp_path, audio=AudioConfig(max_duration_s=300.0)))
    yield application
    application.close()


@pytest.fixture
def offload() -> Iterator[Offload]:
    offload = Offload(light_threads=2, heavy_threads=1)
    yield offload
    offload.close()


def flac(seconds: float) -> Audio:
    """Silence in next to no bytes."""
    return Audio(container=encoded(np.zeros((round(8000 * seconds), 1), np.float32), rate_hz=8000, container="FLAC"))


def call_of(audio_s: float = 0.0) -> Call:
    return Call(method="/equivox.v1.Embeddings/Embed", context=None, audio_s=audio_s)  # type: ignore[arg-type]


async def answer(application: NamingApplication, offload: Offload, request: Requests) -> object:
    match request:
        case EmbedRequest():
            return await EmbeddingsServicer(application, offload).Embed(request, None)  # type: ignore[arg-type]
        case VerifyRequest():
            return await VerificationServicer(application, offload).Verify(request, None)  # type: ignore[arg-type]
        case IdentifyRequest():
            return await VerificationServicer(application, offload).Identify(request, None)  # type: ignore[arg-type]
        case EnrollRequest():
            return await ProfilesServicer(application, offload).Enroll(request, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("request_", "threads", "audio_s"),
    [
        (EmbedRequest(audio=flac(HEAVY_S - 1)), "light", 59),
        (EmbedRequest(audio=flac(HEAVY_S + 1)), "heavy", 61),
        (EmbedRequest(audio=Audio(container=silent_opus(3))), "heavy", 92),
        (IdentifyRequest(test=Voice(audio=flac(70))), "heavy", 70),
        (VerifyRequest(enrolment=Voice(audio=flac(25)), test=Voice(audio=flac(25))), "light", 50),
        (VerifyRequest(enrolment=Voice(audio=flac(59.7)), test=Voice(audio=flac(0.6))), "heavy", 60.3),
        (EnrollRequest(profile_id="ann", utterances=[flac(25), flac(25), flac(25)]), "heavy", 75),
    ],
)
async def test_clips_that_last_long_are_heard_on_heavy_threads_however_few_their_bytes(
    application: NamingApplication, offload: Offload, request_: Requests, threads: str, audio_s: float
) -> None:
    assert request_.ByteSize() < HEAVY_BYTES
    application.profiles.create("default", profile_id="ann", consent_reference="paper")
    current.set(call := call_of())
    with pytest.raises(TooLittleSpeechError):
        await answer(application, offload, request_)
    assert set(application.voice_activity.heard_on) == {threads}
    assert call.audio_s == pytest.approx(audio_s, abs=0.5)


async def test_what_no_request_may_carry_is_refused_by_the_servers_own_limit(
    application: NamingApplication, offload: Offload
) -> None:
    with pytest.raises(AudioTooLongError, match="300 s") as caught:
        await answer(application, offload, EmbedRequest(audio=flac(301)))
    assert caught.value.field == "audio.container"
    assert application.voice_activity.heard_on == []


async def test_clips_that_nobody_waits_for_are_not_heard(application: NamingApplication) -> None:
    scope, servicer = CallScope(), EmbeddingsServicer(application, Offload(light_threads=1, heavy_threads=1))
    current_call.set(scope)
    scope.cancelled.set()
    with pytest.raises(CallAbandonedError):
        servicer.embed(EmbedRequest(audio=flac(5)))
    assert application.voice_activity.heard_on == []
