"""The server: binds first so that probes get an answer, warms up, serves, and drains when told to."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from equivox.channel import KEEPALIVE_S
from equivox.v1 import (
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
from svc.application import Application
from svc.config import EquivoxConfig, ServerConfig
from svc.rpc.arrival import MIN_ARRIVING_OF_TENANT, Arrival, ProbeArrival
from svc.rpc.call import Call
from svc.rpc.diarization import DiarizationServicer
from svc.rpc.embeddings import EmbeddingsServicer
from svc.rpc.guards import Admission, Authentication, RateLimit, reporting_errors, scoping
from svc.rpc.health import MAX_WATCHERS, HealthServicer, ServingStatus
from svc.rpc.inbox import WINDOW_BYTES
from svc.rpc.interceptors import GuardInterceptor
from svc.rpc.limits import TokenBuckets
from svc.rpc.models import ModelsServicer
from svc.rpc.offload import Offload, on_its_own
from svc.rpc.parsing import MESSAGE_MARGIN_BYTES, RequestParser
from svc.rpc.profiles import ProfilesServicer
from svc.rpc.reflection import MAX_REFLECTIONS, ReflectionServicer
from svc.rpc.telemetry import Metrics, log
from svc.rpc.tls import server_credentials
from svc.rpc.transcription import TranscriptionServicer
from svc.rpc.verification import VerificationServicer
from svc.workers import num_workers

SERVICES = tuple(
    module.DESCRIPTOR.services_by_name[name].full_name
    for module, name in (
        (embeddings_pb2, "Embeddings"),
        (verification_pb2, "Verification"),
        (profiles_pb2, "Profiles"),
        (diarization_pb2, "Diarization"),
        (transcription_pb2, "Transcription"),
        (models_pb2, "Models"),
    )
)
TRANSCRIPTION = transcription_pb2.DESCRIPTOR.services_by_name["Transcription"].full_name
# Threads that decode and then wait for the embedder; enough of them that its batches fill.
MAX_LIGHT_THREADS = 32
# gRPC reads messages up to this many times what a request may carry, so that ours is the refusal, with details. Not
# more: it holds whole messages before anybody knows how large they are.
READ_FACTOR = 2
# For a request to arrive: 64 MiB do at 2 Mbit/s. One for health is a few bytes.
ARRIVAL_S, PROBE_ARRIVAL_S = 300.0, 5.0
# Requests for health that may be on their way.
MAX_PROBES = 64
# It takes this for a C int.
MAX_MESSAGE_BYTES = 2**31 - 1
# Past all that our guards let be open, what gRPC refuses by itself, without details, before they could: only a backstop
# for memory. The rest is for calls that are being refused, and for answers on their way.
BACKSTOP_FACTOR = 2
# After the drain, for calls that must be cut and for health watchers, who never end by themselves.
CUT_S = 0.25
# The thread that loads the models, by name.
WARM_UP = "warm-up"


class Server:
    """Everything that lives as long as the port is open."""

    def __init__(self, application: Application, metrics: Metrics) -> None:
        self.application = application
        self.metrics = metrics
        self.config = application.config.server
        self.admission = Admission(
            self.config.max_concurrent_calls, max_bytes_in_flight=self.config.max_bytes_in_flight
        )
        # Live streams last for hours: they must neither starve the calls nor be starved.
        max_streams = application.config.transcription.max_streams
        self.stream_admission = Admission(max_streams, what="streams")
        self.transcription = TranscriptionServicer(application, metrics.streams)
        self.health = HealthServicer()
        # Beside those that are worked on, so many may come in.
        self.arrival = Arrival(ARRIVAL_S, max_of_tenant=max(self.config.max_concurrent_calls, MIN_ARRIVING_OF_TENANT))
        self.probe_arrival = ProbeArrival(PROBE_ARRIVAL_S, max_waiting=MAX_PROBES)
        self.offload = Offload(
            light_threads=min(MAX_LIGHT_THREADS, self.config.max_concurrent_calls),
            heavy_threads=num_workers(application.config),
        )
        for threads in self.offload.threads:
            metrics.watch_threads(threads)
        self.grpc_server = grpc.aio.server(
            interceptors=[self._guards()],
            options=channel_options(application.config),
            maximum_concurrent_rpcs=BACKSTOP_FACTOR * self._max_open,
        )
        self._register()
        self.port = 0

    def _guards(self) -> GuardInterceptor:
        who = []
        if self.config.tokens_file:
            who = [Authentication.from_file(self.config.tokens_file).guard]
        rate_limit = RateLimit(TokenBuckets(self.config.tenant_rate_per_s, self.config.tenant_burst))
        reflections = Admission(MAX_REFLECTIONS, what="reflection streams")
        reflections.closed_because = ""  # they need no model
        always = [self.metrics.observing, reporting_errors, *who]
        return GuardInterceptor(
            [*always, rate_limit.guard, self._early_admitting, self.arrival.guard, self._admitting, scoping],
            system_guards=[*always, reflections.guard],
            health_guards=[reporting_errors, self.probe_arrival.guard],
            parser=RequestParser(self.application.config.audio.max_bytes),
            unread_s=self.application.config.transcription.idle_timeout_s,
        )

    @property
    def _max_open(self) -> int:
        """Most calls the guards let be open, of every kind."""
        admitted = sum(admission.max_concurrent_calls for admission in self.admissions)
        return admitted + self.arrival.max_waiting + MAX_PROBES + MAX_WATCHERS + MAX_REFLECTIONS

    @property
    def admissions(self) -> tuple[Admission, Admission]:
        return self.admission, self.stream_admission

    def _early_admitting(self, call: Call) -> AbstractAsyncContextManager[None]:
        return self._admission_of(call).early_guard(call)

    def _admitting(self, call: Call) -> AbstractAsyncContextManager[None]:
        return self._admission_of(call).guard(call)

    def _admission_of(self, call: Call) -> Admission:
        return self.stream_admission if call.streaming else self.admission

    def _register(self) -> None:
        application, offload, server = self.application, self.offload, self.grpc_server
        embeddings_pb2_grpc.add_EmbeddingsServicer_to_server(EmbeddingsServicer(application, offload), server)
        verification_pb2_grpc.add_VerificationServicer_to_server(VerificationServicer(application, offload), server)
        profiles_pb2_grpc.add_ProfilesServicer_to_server(ProfilesServicer(application, offload), server)
        diarization_pb2_grpc.add_DiarizationServicer_to_server(DiarizationServicer(application, offload), server)
        transcription_pb2_grpc.add_TranscriptionServicer_to_server(self.transcription, server)
        models_pb2_grpc.add_ModelsServicer_to_server(ModelsServicer(application), server)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, server)
        described = (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflections = ReflectionServicer(described, idle_timeout_s=application.config.transcription.idle_timeout_s)
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(reflections, server)

    async def start(self) -> None:
        """Opens the port; health says NOT_SERVING and calls are told to come back."""
        self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        self.port = bind(self.grpc_server, self.config)
        await self.grpc_server.start()

    async def warm_up(self, before_ready: Callable[[], None] = lambda: None) -> None:
        """Loads and runs every model, then lets calls in. Raises ServiceError for a missing or corrupt part."""
        started_s = time.monotonic()
        await on_its_own(self.application.warm_up, WARM_UP)
        before_ready()
        self.metrics.watch_queue(lambda: self.application.embedder.num_queued)
        for admission in self.admissions:
            admission.closed_because = ""
        self._set_health(health_pb2.HealthCheckResponse.SERVING)
        log.info("ready", port=self.port, warm_up_s=round(time.monotonic() - started_s, 2))

    def _set_health(self, status: ServingStatus) -> None:
        without_model = () if self.application.can_transcribe else (TRANSCRIPTION,)
        self.health.set(
            {"": status, **dict.fromkeys(SERVICES, status)}
            | dict.fromkeys(without_model, health_pb2.HealthCheckResponse.NOT_SERVING)
        )

    async def drain(self) -> None:
        """Lets what is under way finish, at most drain_s, live streams once their open turns are closed; new calls are
        told to go elsewhere. Then cuts the rest and closes the port; threads that still work for a call that was cut
        are waited for, and stop where they next ask whether anybody waits.
        """
        self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        for admission in self.admissions:
            admission.closed_because = "the server is shutting down"
        self.transcription.drain()
        log.info("draining", num_running=self._num_running(), drain_s=self.config.drain_s)
        with suppress(TimeoutError):
            async with asyncio.timeout(self.config.drain_s):
                for admission in self.admissions:
                    await admission.idle.wait()
        log.info("drained", num_cut=self._num_running())
        await self.grpc_server.stop(CUT_S)
        await asyncio.to_thread(self.offload.close)
        await asyncio.to_thread(self.transcription.close)

    def _num_running(self) -> int:
        return sum(admission.num_running for admission in self.admissions)


def channel_options(config: EquivoxConfig) -> list[tuple[str, int]]:
    """gRPC's own limits."""
    server = config.server
    keepalive_ms = round(1000 * server.keepalive_s)
    read_bytes = READ_FACTOR * config.audio.max_bytes + MESSAGE_MARGIN_BYTES
    return [
        ("grpc.so_reuseport", 0),  # else a second server on the port would silently take half of the calls
        ("grpc.max_receive_message_length", min(read_bytes, MAX_MESSAGE_BYTES)),
        # A fixed window, not one that grows by what the network could carry: 16 MB of audio a stream would wait there.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", WINDOW_BYTES),
        ("grpc.max_concurrent_streams", server.max_streams_per_connection),
        ("grpc.max_connection_idle_ms", round(1000 * server.max_connection_idle_s)),
        ("grpc.keepalive_time_ms", keepalive_ms),
        ("grpc.keepalive_timeout_ms", keepalive_ms // 2),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", round(1000 * KEEPALIVE_S / 2)),  # half of our client's
    ]


def bind(server: grpc.aio.Server, config: ServerConfig) -> int:
    """Opens the configured port, with TLS where certificates are given. Returns the real port; raises OSError."""
    credentials = server_credentials(config)
    try:
        if credentials:
            return server.add_secure_port(config.address, credentials)
        return server.add_insecure_port(config.address)
    except RuntimeError as error:
        raise OSError(f"cannot listen on {config.address}: in use or not an address of this machine") from error
