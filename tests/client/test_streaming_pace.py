"""At what pace both clients send a live stream: no faster than the server allows, and never silent for too long."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator

import numpy as np
import pytest

from equivox import (
    AsyncClient,
    Client,
    FinalWord,
    PcmStream,
    TranscribeOptions,
)
from equivox.stream_audio import to_source
from equivox.streaming import KEEP_ALIVE_SHARE, LiveCall
from equivox.v1 import transcription_pb2
from svc.rpc.limits import AudioPace
from tests.client.ramp import RAMP, audio_of
from tests.client.toy_server import Recorder


def pausing(recorder: Recorder) -> Iterator[bytes]:
    """Has nothing to send until four keep-alives have come."""
    yield RAMP[:80].tobytes()
    wait_until(lambda: len(recorder.kept_alive_s) >= 4)
    yield RAMP[80:160].tobytes()


async def pausing_on_a_loop(recorder: Recorder) -> AsyncIterator[bytes]:
    pieces = pausing(recorder)
    while piece := await asyncio.to_thread(next, pieces, None):
        yield piece


def wait_until(holds: Callable[[], bool]) -> None:
    """TimeoutError when it does not within 10 s."""
    end_s = time.monotonic() + 10
    while not holds():
        if time.monotonic() > end_s:
            raise TimeoutError
        time.sleep(0.01)


def check_kept_alive(recorder: Recorder, started_s: float) -> None:
    """A busy machine delays some; never all, and none comes early."""
    took_s = time.monotonic() - started_s
    first, *middle, last = (request.WhichOneof("kind") for request in recorder.requests[1:])
    assert (first, last) == ("audio", "audio")
    assert set(middle) == {"keep_alive"}
    assert np.diff(recorder.kept_alive_s).min() < recorder.idle_timeout_s
    assert len(middle) <= took_s / (KEEP_ALIVE_SHARE * recorder.idle_timeout_s)
    assert audio_of(recorder) == RAMP[:160].tobytes()


def test_a_caller_with_nothing_to_send_is_kept_alive(client: Client, recorder: Recorder) -> None:
    recorder.idle_timeout_s = 0.3
    started_s = time.monotonic()
    client.transcribe_all(PcmStream(chunks=pausing(recorder), sample_rate_hz=8_000))
    check_kept_alive(recorder, started_s)


async def test_so_is_one_on_an_event_loop(target: str, recorder: Recorder) -> None:
    recorder.idle_timeout_s = 0.3
    started_s = time.monotonic()
    async with AsyncClient(target) as client:
        await client.transcribe_all(PcmStream(chunks=pausing_on_a_loop(recorder), sample_rate_hz=8_000))
    check_kept_alive(recorder, started_s)


def test_events_come_while_chunks_are_still_to_be_made(client: Client) -> None:
    heard: list[str] = []

    def talking() -> Iterator[bytes]:
        yield RAMP[:80].tobytes()
        for _ in range(200):
            if heard:
                break
            time.sleep(0.01)
        yield RAMP[:240].tobytes()

    for event in client.transcribe(PcmStream(chunks=talking(), sample_rate_hz=8_000)):
        if isinstance(event, FinalWord):
            heard.append(event.word.text)
    assert heard == ["160", "480"]


def test_realtime_is_no_faster_than_the_audio(client: Client) -> None:
    started_s = time.monotonic()
    client.transcribe_all((RAMP[:4000], 8_000), TranscribeOptions(realtime=True, chunk_ms=50))
    assert time.monotonic() - started_s >= 0.5


def test_realtime_waits_no_longer_than_the_audio_lasts() -> None:
    started_s = time.monotonic()
    pace = LiveCall(to_source((RAMP, 8_000)), TranscribeOptions(realtime=True))._pace()
    waits_s = np.array([pace.wait_s(0.5) for _ in range(4)])
    saved_s = np.array([0.5, 1.0, 1.5, 2.0]) - waits_s
    assert saved_s.min() >= -1e-6
    assert saved_s.max() <= time.monotonic() - started_s + 1e-6


def test_the_client_keeps_to_the_speed_the_server_allows(client: Client, recorder: Recorder) -> None:
    recorder.max_speed = 4.0
    started_s = time.monotonic()
    client.transcribe_all((np.tile(RAMP, 2), 8_000))
    # A burst of 0.1 s at once, the rest at 3.6 times real time.
    assert time.monotonic() - started_s >= (2.0 - 0.1) / 3.6


@pytest.mark.parametrize("max_speed", [1.0, 1.05, 4.0])
def test_a_microphone_is_never_held_up_and_never_sent_too_fast(
    monkeypatch: pytest.MonkeyPatch, max_speed: float
) -> None:
    now_s = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    call = LiveCall(to_source((RAMP, 8_000)), TranscribeOptions())
    accepted = transcription_pb2.StreamAccepted(max_speed=max_speed, max_burst_s=2.0)
    call.read(transcription_pb2.TranscribeResponse(accepted=accepted))
    pace, allowed = call._pace(), AudioPace(max_speed, 2.0, clock=lambda: now_s)
    for number in range(1, 6_001):  # ten minutes, live
        now_s = max(now_s, 0.1 * number)
        now_s += pace.wait_s(0.1)
        assert allowed.spend(0.1) == 0
    assert now_s == pytest.approx(600.0)
