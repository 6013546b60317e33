"""A real gRPC server whose servicers answer with fixed messages, keep what they were sent and fail when told to."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from equivox.v1 import (
    audio_pb2,
    diarization_pb2,
    diarization_pb2_grpc,
    embeddings_pb2,
    embeddings_pb2_grpc,
    models_pb2,
    models_pb2_grpc,
    profiles_pb2,
    profiles_pb2_grpc,
    transcription_pb2,
    transcription_pb2_grpc,
    verification_pb2,
    verification_pb2_grpc,
)

Context = Any
Response = TypeVar("Response", bound=Message)


@dataclass
class Recorder:
    """What arrived, and which failures are still to be given out (one a call or chunk, first to last; None: none)."""

    requests: list[Any] = field(default_factory=list)
    metadata: list[dict[str, str | bytes]] = field(default_factory=list)
    time_remaining_s: list[float] = field(default_factory=list)
    failures: list[grpc.Status | grpc.StatusCode | None] = field(default_factory=list)
    delay_s: float = 0.0
    max_speed: float = 0.0  # told to live streams
    idle_timeout_s: float = 0.0  # this too
    drains_after: float = math.inf  # chunks of a live stream
    kept_alive_s: list[float] = field(default_factory=list)  # when each keep-alive came
    stream_is_over: threading.Event = field(default_factory=threading.Event)

    def answer(self, request: Message, context: Context, response: Response) -> Response:
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        self.time_remaining_s.append(context.time_remaining() or math.inf)
        time.sleep(self.delay_s)
        if self.failures and (failure := self.failures.pop(0)):
            if isinstance(failure, grpc.StatusCode):
                context.abort(failure, "told to fail")
            context.abort_with_status(failure)
        return response


EMBEDDING = embeddings_pb2.Embedding(
    values=[0.6, 0.8],
    model_fingerprint="f" * 16,
    net_speech_s=2.5,
    band=audio_pb2.BAND_WIDE,
    snr_db=20,
    clipped_share=0.25,
)
QUALITY = audio_pb2.AudioQuality(
    duration_s=4, net_speech_s=2.5, snr_db=20, clipped_share=0.25, band=audio_pb2.BAND_TELEPHONE
)
MATCH = verification_pb2.IdentityMatch(profile_id="anna", display_name="Anna", llr=7.5, margin=float("inf"))
PROFILE = profiles_pb2.Profile(
    profile_id="anna",
    display_name="Anna",
    consent_reference="ticket-1",
    create_time=Timestamp(seconds=1_700_000_000, nanos=500_000_000),
    expire_time=Timestamp(seconds=1_900_000_000),
    num_enrolments=2,
    net_speech_s=5,
    model_fingerprint="f" * 16,
)


@dataclass
class ToyEmbeddings(embeddings_pb2_grpc.EmbeddingsServicer):
    seen: Recorder

    def Embed(self, request: embeddings_pb2.EmbedRequest, context: Context) -> embeddings_pb2.EmbedResponse:
        response = embeddings_pb2.EmbedResponse(embedding=EMBEDDING, quality=QUALITY)
        return self.seen.answer(request, context, response)


@dataclass
class ToyVerification(verification_pb2_grpc.VerificationServicer):
    seen: Recorder

    def Verify(self, request: verification_pb2.VerifyRequest, context: Context) -> verification_pb2.VerifyResponse:
        response = verification_pb2.VerifyResponse(
            llr=-1.5,
            decision=verification_pb2.DECISION_INCONCLUSIVE,
            reasons=[verification_pb2.REASON_NEAR_THRESHOLD],
            policy_id="balanced",
            threshold_llr=0.5,
            calibration_id="c1",
            model_fingerprint="f" * 16,
            enrolment_net_speech_s=2,
            test_net_speech_s=3,
            score=0.25,
        )
        return self.seen.answer(request, context, response)

    def Identify(
        self, request: verification_pb2.IdentifyRequest, context: Context
    ) -> verification_pb2.IdentifyResponse:
        response = verification_pb2.IdentifyResponse(
            matches=[MATCH], decision=verification_pb2.DECISION_ACCEPT, num_searched=3, policy_id="strict"
        )
        return self.seen.answer(request, context, response)


@dataclass
class ToyDiarization(diarization_pb2_grpc.DiarizationServicer):
    seen: Recorder

    def Diarize(self, request: diarization_pb2.DiarizeRequest, context: Context) -> diarization_pb2.DiarizeResponse:
        span = diarization_pb2.TimeSpan(start_s=1, end_s=2.5)
        response = diarization_pb2.DiarizeResponse(
            turns=[diarization_pb2.SpeakerTurn(span=span, speaker="S0")],
            overlaps=[span],
            speakers=[diarization_pb2.DiarizedSpeaker(label="S0", speech_s=1.5, embedding=EMBEDDING, profile=MATCH)],
            duration_s=4,
        )
        return self.seen.answer(request, context, response)


@dataclass
class ToyProfiles(profiles_pb2_grpc.ProfilesServicer):
    seen: Recorder

    def Create(self, request: profiles_pb2.CreateRequest, context: Context) -> profiles_pb2.CreateResponse:
        return self.seen.answer(request, context, profiles_pb2.CreateResponse(profile=PROFILE))

    def Enroll(self, request: profiles_pb2.EnrollRequest, context: Context) -> profiles_pb2.EnrollResponse:
        warning = profiles_pb2.EnrolmentWarning(
            kind=profiles_pb2.ENROLMENT_WARNING_KIND_INCOHERENT, message="listen to it", utterance=0, llr=-3
        )
        response = profiles_pb2.EnrollResponse(profile=PROFILE, qualities=[QUALITY], warnings=[warning])
        return self.seen.answer(request, context, response)

    def Get(self, request: profiles_pb2.GetRequest, context: Context) -> profiles_pb2.GetResponse:
        return self.seen.answer(request, context, profiles_pb2.GetResponse(profile=PROFILE))

    def List(self, request: profiles_pb2.ProfilesListRequest, context: Context) -> profiles_pb2.ProfilesListResponse:
        """Three pages of one profile."""
        page = int(request.page_token or 0)
        response = profiles_pb2.ProfilesListResponse(
            profiles=[profiles_pb2.Profile(profile_id=f"p{page}")], next_page_token=str(page + 1) if page < 2 else ""
        )
        return self.seen.answer(request, context, response)

    def Delete(self, request: profiles_pb2.DeleteRequest, context: Context) -> profiles_pb2.DeleteResponse:
        return self.seen.answer(request, context, profiles_pb2.DeleteResponse(num_enrolments_deleted=2))

    def Export(self, request: profiles_pb2.ExportRequest, context: Context) -> profiles_pb2.ExportResponse:
        enrolment = profiles_pb2.Enrolment(enrolment_id=7, create_time=PROFILE.create_time, embedding=EMBEDDING)
        return self.seen.answer(request, context, profiles_pb2.ExportResponse(profile=PROFILE, enrolments=[enrolment]))


SPEAKER = transcription_pb2.AttributedSpeaker(label="S0", confidence=0.75)


@dataclass
class ToyTranscription(transcription_pb2_grpc.TranscriptionServicer):
    """One turn; each chunk is a word that tells how many bytes it has; a flush names the speaker."""

    seen: Recorder

    def Transcribe(
        self, request_iterator: Iterator[transcription_pb2.TranscribeRequest], context: Context
    ) -> Iterator[transcription_pb2.TranscribeResponse]:
        num_words = 0
        context.add_callback(self.seen.stream_is_over.set)
        for request in request_iterator:
            match request.WhichOneof("kind"):
                case "config":
                    accepted = transcription_pb2.StreamAccepted(session_id="s", max_speed=self.seen.max_speed)
                    accepted.max_burst_s, accepted.idle_timeout_s = 0.2, self.seen.idle_timeout_s
                    yield self.seen.answer(request, context, transcription_pb2.TranscribeResponse(accepted=accepted))
                    start = transcription_pb2.TurnStart(turn_id=7, channel=1)
                    yield transcription_pb2.TranscribeResponse(turn_start=start)
                case "audio":
                    word = transcription_pb2.Word(
                        turn_id=7, text=str(len(request.audio)), start_s=num_words, end_s=num_words + 0.5, channel=1
                    )
                    num_words += 1
                    partial = transcription_pb2.PartialWords(turn_id=7, words=[word])
                    yield transcription_pb2.TranscribeResponse(partial=partial)
                    yield self.seen.answer(request, context, transcription_pb2.TranscribeResponse(word=word))
                    if num_words >= self.seen.drains_after:
                        draining = transcription_pb2.StreamWarning(reason="DRAINING", message="open another stream")
                        yield transcription_pb2.TranscribeResponse(warning=draining)
                        break
                case "keep_alive":
                    self.seen.requests.append(request)
                    self.seen.kept_alive_s.append(time.monotonic())
                case "flush":
                    self.seen.requests.append(request)
                    revision = transcription_pb2.SpeakerRevision(turn_id=7, speaker=SPEAKER)
                    yield transcription_pb2.TranscribeResponse(speaker_revision=revision)
        yield transcription_pb2.TranscribeResponse(
            warning=transcription_pb2.StreamWarning(reason="SILENCE", message="nothing heard")
        )
        yield transcription_pb2.TranscribeResponse()  # of a newer server
        yield transcription_pb2.TranscribeResponse(
            turn_end=transcription_pb2.TurnEnd(turn_id=7, end_s=num_words, speaker=SPEAKER)
        )


@dataclass
class ToyModels(models_pb2_grpc.ModelsServicer):
    seen: Recorder

    def List(self, request: models_pb2.ModelsListRequest, context: Context) -> models_pb2.ModelsListResponse:
        model = models_pb2.LoadedModel(name="campplus", role="embedder", licence="Apache-2.0")
        return self.seen.answer(request, context, models_pb2.ModelsListResponse(models=[model]))

    def GetCard(self, request: models_pb2.GetCardRequest, context: Context) -> models_pb2.GetCardResponse:
        return self.seen.answer(request, context, models_pb2.GetCardResponse(card_toml="a = 1"))

    def GetFairnessReport(
        self, request: models_pb2.GetFairnessReportRequest, context: Context
    ) -> models_pb2.GetFairnessReportResponse:
        response = models_pb2.GetFairnessReportResponse(report_json='{"form": 2}', report_html="<p>")
        return self.seen.answer(request, context, response)


@contextmanager
def toy_server(
    recorder: Recorder, bind: Callable[[grpc.Server], int] = lambda server: server.add_insecure_port("127.0.0.1:0")
) -> Iterator[str]:
    """Runs the toy on a free port; yields localhost:port."""
    # However often clients ask whether it still stands.
    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.http2.max_ping_strikes", 0)])
    embeddings_pb2_grpc.add_EmbeddingsServicer_to_server(ToyEmbeddings(recorder), server)
    verification_pb2_grpc.add_VerificationServicer_to_server(ToyVerification(recorder), server)
    diarization_pb2_grpc.add_DiarizationServicer_to_server(ToyDiarization(recorder), server)
    profiles_pb2_grpc.add_ProfilesServicer_to_server(ToyProfiles(recorder), server)
    models_pb2_grpc.add_ModelsServicer_to_server(ToyModels(recorder), server)
    transcription_pb2_grpc.add_TranscriptionServicer_to_server(ToyTranscription(recorder), server)
    healthy = health.HealthServicer()
    healthy.set("equivox.v1.Diarization", health_pb2.HealthCheckResponse.NOT_SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    port = bind(server)
    server.start()
    try:
        yield f"localhost:{port}"
    finally:
        server.stop(grace=None).wait()
