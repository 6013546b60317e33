"""What operators see."""

import asyncio
import io
import json
import logging
import threading
import urllib.request

import pytest
from grpc import StatusCode

from equivox.v1.embeddings_pb2 import EmbedRequest
from svc.backends.batching import BatchReport
from svc.rpc.call import Call
from svc.rpc.offload import Threads
from svc.rpc.telemetry import Metrics, configure_logging
from tests.rpc.waiting import until

METHOD = "/equivox.v1.Embeddings/Embed"


def ended(code: StatusCode, reason: str = "", audio_s: float = 0.0) -> Call:
    return Call(method=METHOD, context=None, code=code, reason=reason, audio_s=audio_s)  # type: ignore[arg-type]


def test_errors_are_counted_by_reason() -> None:
    metrics = Metrics()
    metrics.on_end(ended(StatusCode.INVALID_ARGUMENT, "AUDIO_FORMAT"), 0.1)
    metrics.on_end(ended(StatusCode.OK), 0.1)
    labels = {"method": "Embeddings.Embed", "reason": "AUDIO_FORMAT"}
    assert metrics.registry.get_sample_value("equivox_errors_total", labels) == 1
    calls = {"method": "Embeddings.Embed", "code": "OK"}
    assert metrics.registry.get_sample_value("equivox_calls_total", calls) == 1


def test_real_time_factor_is_seconds_of_call_per_second_of_audio() -> None:
    metrics = Metrics()
    metrics.on_end(ended(StatusCode.OK, audio_s=4.0), 1.0)
    labels = {"method": "Embeddings.Embed"}
    assert metrics.registry.get_sample_value("equivox_real_time_factor_sum", labels) == pytest.approx(0.25)
    assert metrics.registry.get_sample_value("equivox_audio_seconds_total", labels) == 4.0


async def test_the_time_its_caller_took_to_send_is_not_the_calls() -> None:
    metrics, call = Metrics(), ended(StatusCode.OK)
    async with metrics.observing(call):
        call.receiving_s = 1e6
    assert (metrics.registry.get_sample_value("equivox_call_seconds_sum", {"method": "Embeddings.Embed"}) or 0) < 0


def test_what_others_log_is_a_line_of_the_servers_log_once() -> None:
    stream = io.StringIO()
    for _ in range(2):
        configure_logging(stream)
    error = ZeroDivisionError("oops")
    logging.getLogger("svc.pipelines").error("no words in %d s", 3, exc_info=error)
    logging.getLogger("library").warning("odd")
    logging.getLogger("library").info("chatter")
    configure_logging()
    failed, odd = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (failed["event"], failed["level"], failed["logger"]) == ("no words in 3 s", "error", "svc.pipelines")
    assert "ZeroDivisionError" in failed["exception"]
    assert (odd["event"], odd["level"]) == ("odd", "warning")


def test_batches_and_the_queue_are_measured() -> None:
    metrics = Metrics()
    metrics.watch_queue(lambda: 7)
    metrics.on_batch(BatchReport(num_clips=3, audio_s=9.0, elapsed_s=0.1, num_queued=0))
    assert metrics.registry.get_sample_value("equivox_batch_clips_sum") == 3
    assert metrics.registry.get_sample_value("equivox_queued_clips") == 7


async def test_calls_that_wait_for_a_thread_are_measured() -> None:
    metrics, threads, release = Metrics(), Threads(1, "light"), threading.Event()
    metrics.watch_threads(threads)
    calls = [asyncio.ensure_future(threads.run(lambda _: release.wait(10), EmbedRequest())) for _ in range(3)]
    await until(lambda: threads.num_waiting == 2)
    assert metrics.registry.get_sample_value("equivox_queued_calls", {"threads": "light"}) == 2
    release.set()
    await asyncio.gather(*calls)
    assert metrics.registry.get_sample_value("equivox_queued_calls", {"threads": "light"}) == 0
    threads.close()


def test_metrics_are_scraped_over_http() -> None:
    metrics = Metrics()
    port = metrics.expose("127.0.0.1:0")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as response:
        page = response.read().decode()
    metrics.close()
    assert "equivox_calls_in_flight 0.0" in page
    assert "equivox_batch_clips_bucket" in page


def test_a_taken_metrics_port_is_named_with_the_remedy() -> None:
    first = Metrics()
    port = first.expose("127.0.0.1:0")
    with pytest.raises(OSError, match="metrics_address"):
        Metrics().expose(f"127.0.0.1:{port}")
    first.close()
