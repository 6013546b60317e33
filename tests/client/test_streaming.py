"""Live transcription by both clients over a real channel: what is sent, at what pace, what comes back, how it ends."""

import asyncio
import io
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import islice
from pathlib import Path

import grpc
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from equivox import (
    FLUSH,
    KEEP_ALIVE,
    AsyncClient,
    Client,
    Container,
    Costs,
    EquivoxError,
    FinalWord,
    Pcm,
    PcmStream,
    StreamAccepted,
    StreamLike,
    TranscribeOptions,
)
from equivox.client import Sender
from equivox.stream_audio import to_source
from equivox.streaming import KEEP_ALIVE_SHARE, LiveCall
from equivox.v1 import audio_pb2, transcription_pb2
from svc.rpc.limits import AudioPace
from tests.client.toy_server import Recorder

RAMP = np.arange(8_000, dtype=np.int16)  # a second at 8 kHz


def audio_of(recorder: Recorder) -> bytes:
    return b"".join(request.audio for request in recorder.requests)


def wav_bytes() -> bytes:
    written = io.BytesIO()
    soundfile.write(written, RAMP, 8_000, format="WAV")
    return written.getvalue()


def wav(path: Path, *, subtype: str = "PCM_16") -> Path:
    soundfile.write(path, RAMP, 8_000, subtype=subtype)
    return path


WAV = wav_bytes()


def sources(folder: Path) -> dict[str, StreamLike]:
    return {
        "array": (RAMP, 8_000),
        "pcm": Pcm(RAMP.tobytes(), 8_000),
        "wav": wav(folder / "a.wav"),
        "bytes": wav(folder / "b.wav").read_bytes(),
        "flac": wav(folder / "a.flac"),
        "24 bits": wav(folder / "c.wav", subtype="PCM_24"),
        "container": Container(folder / "a.wav"),
        "chunks": PcmStream(chunks=[RAMP[:3000], RAMP[3000:].tobytes()], sample_rate_hz=8_000),
        "crooked bytes": PcmStream(chunks=[RAMP.tobytes()[:3], RAMP.tobytes()[3:]], sample_rate_hz=8_000),
    }


@pytest.mark.parametrize(
    "name", ["array", "pcm", "wav", "bytes", "flac", "24 bits", "container", "chunks", "crooked bytes"]
)
def test_every_source_is_sent_as_the_same_samples(
    client: Client, recorder: Recorder, tmp_path: Path, name: str
) -> None:
    transcript = client.transcribe_all(sources(tmp_path)[name])
    assert audio_of(recorder) == RAMP.tobytes()
    config = recorder.requests[0].config
    assert (config.encoding, config.sample_rate_hz) == (audio_pb2.PCM_ENCODING_S16LE, 8_000)
    assert all(0 < len(request.audio) <= 1_600 for request in recorder.requests[1:])
    assert len(transcript.words) == len(recorder.requests) - 1


def test_floats_and_channels_are_sent_as_they_are(client: Client, recorder: Recorder) -> None:
    stereo = np.zeros((800, 2), np.float64)
    list(client.transcribe(Pcm(stereo, 8_000, channel=1), TranscribeOptions(chunk_ms=50)))
    config = recorder.requests[0].config
    assert (config.encoding, config.num_channels, config.channel) == (audio_pb2.PCM_ENCODING_F32LE, 2, 1)
    assert [len(request.audio) for request in recorder.requests[1:]] == [3_200, 3_200]


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_a_file_of_floats_is_sent_at_full_scale(
    client: Client, recorder: Recorder, tmp_path: Path, subtype: str
) -> None:
    wave = np.linspace(-1, 1, 8_000, dtype=np.float32)
    soundfile.write(tmp_path / "f.wav", wave, 8_000, subtype=subtype)
    list(client.transcribe(tmp_path / "f.wav"))
    assert recorder.requests[0].config.encoding == audio_pb2.PCM_ENCODING_F32LE
    assert audio_of(recorder) == wave.tobytes()


def test_half_a_sample_at_the_end_is_for_the_server_to_refuse(client: Client, recorder: Recorder) -> None:
    list(client.transcribe(PcmStream(chunks=[RAMP.tobytes()[:-1]], sample_rate_hz=8_000)))
    assert audio_of(recorder) == RAMP.tobytes()[:-1]


@given(kept=st.integers(0, 2 * len(RAMP)))
def test_a_wave_file_is_whole_or_refused(kept: int) -> None:
    cut_off = WAV[: len(WAV) - kept]
    if kept == 0:
        pieces = to_source(cut_off).pieces
        assert isinstance(pieces, Iterator)
        assert b"".join(piece for piece in pieces if isinstance(piece, bytes)) == RAMP.tobytes()
        return
    with pytest.raises(ValueError, match="the file is cut off: its header promises 16000 bytes"):
        to_source(cut_off)


def test_options_reach_the_server(client: Client, recorder: Recorder) -> None:
    options = TranscribeOptions(partials=False, identify=True, policy="strict", second_pass=True)
    client.transcribe_all((RAMP, 8_000), options)
    config = recorder.requests[0].config
    assert (config.partials, config.identify, config.second_pass) == (False, True, True)
    assert config.policy.name == "strict"
    assert recorder.time_remaining_s[0] > 1e6  # a stream may last for hours


def test_the_transcript_is_what_the_events_add_up_to(client: Client) -> None:
    transcript = client.transcribe_all((RAMP, 8_000), TranscribeOptions(chunk_ms=500))
    assert transcript.accepted is not None
    assert [word.text for word in transcript.words] == ["8000", "8000"]
    assert {word.speaker.label for word in transcript.words} == {"S0"}
    assert transcript.text == "S0: 8000 8000"
    assert [(turn.turn_id, turn.channel, turn.end_s) for turn in transcript.turns] == [(7, 1, 2)]
    assert [warning.reason for warning in transcript.warnings] == ["SILENCE"]


def test_flush_and_keep_alive_go_between_chunks(client: Client, recorder: Recorder) -> None:
    client.transcribe_all(PcmStream(chunks=[RAMP[:80], FLUSH, KEEP_ALIVE, RAMP[80:160]], sample_rate_hz=8_000))
    kinds = [request.WhichOneof("kind") for request in recorder.requests]
    assert kinds == ["config", "audio", "flush", "keep_alive", "audio"]


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


@pytest.mark.parametrize("idle_timeout_s", [0.0, 0.3])
def test_what_the_callers_iterator_raises_comes_back(client: Client, recorder: Recorder, idle_timeout_s: float) -> None:
    recorder.idle_timeout_s = idle_timeout_s

    def broken() -> Iterator[bytes]:
        yield RAMP[:80].tobytes()
        raise OSError("the microphone is gone")

    with pytest.raises(OSError, match="microphone"):
        client.transcribe_all(PcmStream(chunks=broken(), sample_rate_hz=8_000))


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Holds gRPC's calls, which also end when nobody holds them."""
    calls: list[object] = []

    def open_and_hold(sender: Sender, call: LiveCall, timeout_s: float | None = None) -> object:
        calls.append(open_stream(sender, call, timeout_s))
        return calls[-1]

    open_stream = Sender.open_stream
    monkeypatch.setattr(Sender, "open_stream", open_and_hold)


def endless(ended: threading.Event | None = None) -> Iterator[bytes]:
    """A chunk every 2 ms."""
    try:
        while True:
            time.sleep(0.002)
            yield RAMP[:80].tobytes()
    finally:
        if ended:
            ended.set()


@pytest.mark.usefixtures("held")
def test_leaving_early_ends_the_call_and_the_iterator(client: Client, recorder: Recorder) -> None:
    ended = threading.Event()
    events = client.transcribe(PcmStream(chunks=endless(ended), sample_rate_hz=8_000))
    assert len(list(islice(events, 5))) == 5
    assert not ended.is_set()
    events.close()  # type: ignore[attr-defined]
    check_nothing_more_is_sent(recorder)
    assert ended.wait(10)


def test_a_call_that_ends_before_it_is_accepted_keeps_no_thread() -> None:
    call = LiveCall(to_source((RAMP, 8_000)), TranscribeOptions())
    sending = threading.Thread(target=list, args=(call.requests(),), daemon=True)
    sending.start()
    call.end()
    sending.join(10)
    assert not sending.is_alive()


def check_nothing_more_is_sent(recorder: Recorder) -> None:
    """By a stream that sent a chunk every 2 ms."""
    assert recorder.stream_is_over.wait(10)
    num_sent = len(recorder.requests)
    time.sleep(0.2)
    assert len(recorder.requests) == num_sent


def test_a_refusal_is_the_same_error_as_of_any_call(client: Client, recorder: Recorder) -> None:
    recorder.failures = [grpc.StatusCode.UNAVAILABLE]
    with pytest.raises(EquivoxError) as caught:
        client.transcribe_all((RAMP, 8_000))
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    assert len(recorder.requests) == 1  # never retried


def check_drained(error: EquivoxError) -> None:
    assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
    assert "said after 3.0 s" in error.message


async def test_a_transcript_that_a_drain_cuts_short_is_no_transcript(
    target: str, client: Client, recorder: Recorder
) -> None:
    recorder.drains_after = 3
    with pytest.raises(EquivoxError) as caught:
        client.transcribe_all((RAMP, 8_000))
    check_drained(caught.value)
    async with AsyncClient(target) as async_client:
        with pytest.raises(EquivoxError) as caught:
            await async_client.transcribe_all((RAMP, 8_000))
    check_drained(caught.value)


@pytest.mark.parametrize(
    ("audio", "error", "says"),
    [
        ("nowhere.wav", OSError, "nowhere"),
        (b"not audio", ValueError, "not a WAV"),
        (17, TypeError, "PcmStream"),
        (PcmStream(chunks=[b""], sample_rate_hz=8_000, encoding="mp3"), ValueError, "mulaw"),
        (PcmStream(chunks=[b""], sample_rate_hz=16e3), ValueError, "sample_rate_hz .* got 16000.0"),  # type: ignore[arg-type]
        (PcmStream(chunks=[b""], sample_rate_hz=-1), ValueError, "sample_rate_hz .* got -1"),
        (Pcm(b"", 8_000), ValueError, "the audio is empty"),
        ((RAMP[:0], 8_000), ValueError, "the audio is empty"),
        (Pcm(b"..", 8_000, num_channels=0), ValueError, "num_channels .* from 1 .* got 0"),
        (PcmStream(chunks=[b""], sample_rate_hz=8_000, channel=-1), ValueError, "channel .* from 0 .* got -1"),
        (Container(WAV, channel=2**32), ValueError, "^channel .* got 4294967296"),
    ],
)
def test_what_can_never_be_sent_is_refused_at_once(
    client: Client, recorder: Recorder, audio: StreamLike, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        client.transcribe(audio)
    assert recorder.requests == []


def test_a_policy_that_can_never_be_sent_is_refused_at_once_too(client: Client, recorder: Recorder) -> None:
    costs = Costs(prior="even", cost_false_accept=1, cost_false_reject=1)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        client.transcribe((RAMP, 8_000), TranscribeOptions(policy=costs))
    assert recorder.requests == []


def test_a_chunk_of_another_type_than_was_said_is_an_error(client: Client) -> None:
    with pytest.raises(TypeError, match="s16le"):
        client.transcribe_all(PcmStream(chunks=[np.zeros(80, np.float32)], sample_rate_hz=8_000))


@pytest.mark.parametrize(("shape", "num_channels"), [((80, 2), 1), ((80,), 2), ((80, 1), 2)])
def test_a_chunk_of_other_channels_than_was_said_is_an_error(
    client: Client, recorder: Recorder, shape: tuple[int, ...], num_channels: int
) -> None:
    stream = PcmStream(chunks=[np.zeros(shape, np.int16)], sample_rate_hz=8_000, num_channels=num_channels)
    with pytest.raises(ValueError, match=rf"have {num_channels}: pass PcmStream\(num_channels={3 - num_channels}"):
        client.transcribe_all(stream)
    assert audio_of(recorder) == b""


def test_chunks_of_two_channels_are_sent_interleaved(client: Client, recorder: Recorder) -> None:
    stereo = RAMP.reshape(-1, 2)
    client.transcribe_all(PcmStream(chunks=[stereo[:7], stereo[7:]], sample_rate_hz=8_000, num_channels=2))
    assert audio_of(recorder) == RAMP.tobytes()


@pytest.mark.parametrize("chunk_ms", [0, -1, 2001, float("nan")])
def test_chunks_must_fit_a_message(chunk_ms: float) -> None:
    with pytest.raises(ValueError, match="2000"):
        TranscribeOptions(chunk_ms=chunk_ms)


async def test_the_async_client_hears_the_same(target: str, client: Client) -> None:
    async with AsyncClient(target) as async_client:
        assert await async_client.transcribe_all((RAMP, 8_000)) == client.transcribe_all((RAMP, 8_000))
        events = [event async for event in async_client.transcribe((RAMP, 8_000))]
    assert isinstance(events[0], StreamAccepted)


async def test_chunks_may_come_from_an_async_iterator(target: str, recorder: Recorder) -> None:
    async def talking() -> AsyncIterator[np.ndarray]:
        for start in range(0, 8_000, 800):
            await asyncio.sleep(0.001)
            yield RAMP[start : start + 800]

    async with AsyncClient(target) as client:
        await client.transcribe_all(PcmStream(chunks=talking(), sample_rate_hz=8_000))
    assert audio_of(recorder) == RAMP.tobytes()


@pytest.mark.usefixtures("held")
async def test_leaving_an_async_stream_early_ends_its_iterator(target: str, recorder: Recorder) -> None:
    ended = threading.Event()

    async def talking() -> AsyncIterator[bytes]:
        try:
            while True:
                await asyncio.sleep(0.002)
                yield RAMP[:80].tobytes()
        finally:
            ended.set()

    async with AsyncClient(target) as client:
        events = client.transcribe(PcmStream(chunks=talking(), sample_rate_hz=8_000))
        assert [type(await anext(events)) for _ in range(4)][-1] is FinalWord
        assert not ended.is_set()
        await events.aclose()
        assert ended.is_set()
        await asyncio.to_thread(check_nothing_more_is_sent, recorder)


@pytest.mark.usefixtures("held")
async def test_leaving_an_async_stream_early_ends_the_call_whose_chunks_block(target: str, recorder: Recorder) -> None:
    async with AsyncClient(target) as client:
        events = client.transcribe(PcmStream(chunks=endless(), sample_rate_hz=8_000))
        assert isinstance(await anext(events), StreamAccepted)
        await events.aclose()
        await asyncio.to_thread(check_nothing_more_is_sent, recorder)


async def test_a_refusal_reaches_who_awaits(target: str, recorder: Recorder) -> None:
    recorder.failures = [grpc.StatusCode.RESOURCE_EXHAUSTED]
    async with AsyncClient(target) as client:
        with pytest.raises(EquivoxError, match="told to fail"):
            await client.transcribe_all((RAMP, 8_000))


async def test_many_async_streams_run_at_once(target: str) -> None:
    all_talk = asyncio.Barrier(8)

    async def talking() -> AsyncIterator[bytes]:
        yield RAMP[:80].tobytes()
        await asyncio.wait_for(all_talk.wait(), 10)
        yield RAMP[80:160].tobytes()

    async with AsyncClient(target) as client:
        streams = [PcmStream(chunks=talking(), sample_rate_hz=8_000) for _ in range(8)]
        transcripts = await asyncio.gather(*(client.transcribe_all(stream) for stream in streams))
    assert [len(transcript.words) for transcript in transcripts] == [2] * 8


def test_an_async_iterator_is_for_the_async_client(client: Client) -> None:
    async def talking() -> AsyncIterator[bytes]:
        yield b""

    with pytest.raises(TypeError, match="AsyncClient"):
        client.transcribe(PcmStream(chunks=talking(), sample_rate_hz=8_000))
