"""What the server tells its operators: a JSON line and some Prometheus series per call, never audio or embeddings."""

import logging
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TextIO
from wsgiref.simple_server import WSGIServer

import structlog
from grpc import StatusCode
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from svc.backends.batching import BatchReport
from svc.rpc.call import Call
from svc.rpc.offload import Threads
from svc.rpc.stream_telemetry import StreamMetrics
from svc.rpc.thread_times import ThreadTimes

LATENCY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10, 30, 60, 300, 1800)
BATCH_BUCKETS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
# Seconds of work per second of audio; below 1 is faster than real time.
REAL_TIME_BUCKETS = (0.003, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2)

log = structlog.stdlib.get_logger("equivox")


class LibraryLogs(logging.Handler):
    """Warnings and errors of libraries, and of our rooms that know no server, as lines of the server's own log."""

    def emit(self, record: logging.LogRecord) -> None:
        say = log.error if record.levelno >= logging.ERROR else log.warning
        say(record.getMessage(), logger=record.name, exc_info=record.exc_info)


LIBRARY_LOGS = LibraryLogs(logging.WARNING)


def configure_logging(stream: TextIO | None = None) -> None:
    """One JSON object a line, what libraries log included. Tracebacks carry no values of variables, since those may be
    somebody's voice.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=lambda *_: structlog.PrintLogger(stream or sys.stderr),
        wrapper_class=structlog.BoundLogger,
        cache_logger_on_first_use=False,
    )
    logging.getLogger().addHandler(LIBRARY_LOGS)


class Metrics:
    """The Prometheus series of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._http: WSGIServer | None = None
        self._http_thread: threading.Thread | None = None
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.registry.register(ThreadTimes())
        self.calls = Counter("equivox_calls", "Calls ended", ["method", "code"], registry=self.registry)
        self.errors = Counter("equivox_errors", "Calls that failed", ["method", "reason"], registry=self.registry)
        self.in_flight = Gauge("equivox_calls_in_flight", "Calls under way", registry=self.registry)
        self.latency = self._histogram("equivox_call_seconds", "Duration of a call", LATENCY_BUCKETS_S, ["method"])
        self.audio = Counter("equivox_audio_seconds", "Seconds of audio decoded", ["method"], registry=self.registry)
        self.real_time_factor = self._histogram(
            "equivox_real_time_factor", "Seconds of work per second of a call's audio", REAL_TIME_BUCKETS, ["method"]
        )
        self.batch_clips = self._histogram("equivox_batch_clips", "Clips in an embedder batch", BATCH_BUCKETS)
        self.batch_seconds = self._histogram("equivox_batch_seconds", "Duration of a batch", LATENCY_BUCKETS_S)
        self.streams = StreamMetrics(self.registry)
        self.queued_clips = Gauge("equivox_queued_clips", "Clips waiting for the embedder", registry=self.registry)
        self.queued_calls = Gauge(
            "equivox_queued_calls", "Calls waiting for one of these threads", ["threads"], registry=self.registry
        )

    def _histogram(
        self, name: str, about: str, buckets: tuple[float, ...], labels: list[str] | None = None
    ) -> Histogram:
        return Histogram(name, about, labels or [], buckets=buckets, registry=self.registry)

    def watch_queue(self, num_queued: Callable[[], int]) -> None:
        """The queue's length is read when somebody scrapes."""
        self.queued_clips.set_function(num_queued)

    def watch_threads(self, threads: Threads) -> None:
        """As watch_queue, the calls that wait for these threads."""
        self.queued_calls.labels(threads.name).set_function(lambda: threads.num_waiting)

    def on_batch(self, report: BatchReport) -> None:
        """Called by the embedder's workers after each batch."""
        self.batch_clips.observe(report.num_clips)
        self.batch_seconds.observe(report.elapsed_s)

    def on_end(self, call: Call, elapsed_s: float) -> None:
        """Called once when a call has ended."""
        self.calls.labels(call.name, call.code.name).inc()
        self.latency.labels(call.name).observe(elapsed_s)
        if call.reason:
            self.errors.labels(call.name, call.reason).inc()
        if call.audio_s > 0:
            self.audio.labels(call.name).inc(call.audio_s)
            if call.code is StatusCode.OK:
                self.real_time_factor.labels(call.name).observe((call.work_s or elapsed_s) / call.audio_s)

    @asynccontextmanager
    async def observing(self, call: Call) -> AsyncIterator[None]:
        """A guard: counts, times and logs the call."""
        started_s = time.perf_counter()
        self.in_flight.inc()
        try:
            yield
        finally:
            self.in_flight.dec()
            # How long a caller takes to send is not ours.
            elapsed_s = time.perf_counter() - started_s - call.receiving_s
            self.on_end(call, elapsed_s)
            log_end(call, elapsed_s)

    def expose(self, address: str) -> int:
        """Serves /metrics over HTTP on host:port; returns the real port. Raises OSError when it is taken."""
        host, _, port = address.rpartition(":")
        try:
            self._http, self._http_thread = start_http_server(int(port), host.strip("[]"), registry=self.registry)
        except OSError as error:
            raise OSError(f"cannot serve metrics on {address}: {error.strerror}; set server.metrics_address") from error
        return int(self._http.server_port)

    def close(self) -> None:
        """Closes the HTTP port."""
        if self._http and self._http_thread:
            self._http.shutdown()
            self._http.server_close()
            self._http_thread.join()


def log_end(call: Call, elapsed_s: float) -> None:
    """One line per call; ids and amounts only."""
    log.info(
        "call",
        method=call.name,
        code=call.code.name,
        reason=call.reason or None,
        tenant=call.tenant,
        call_id=call.call_id,
        elapsed_ms=round(1000 * elapsed_s, 1),
        audio_s=round(call.audio_s, 2),
    )
