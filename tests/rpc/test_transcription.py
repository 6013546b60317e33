"""Live transcription over a real channel: the protocol, every kind of bad input, limits, and how streams end."""

import asyncio
import io
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
import pytest
import soundfile
import soxr
from google.rpc.error_details_pb2 import BadRequest
from grpc import StatusCode

from equivox.v1.audio_pb2 import (
    PCM_ENCODING_ALAW,
    PCM_ENCODING_F32LE,
    PCM_ENCODING_MULAW,
    PCM_ENCODING_S16LE,
    PcmEncoding,
)
from equivox.v1.transcription_pb2 import TranscribeConfig, TranscribeRequest, TranscribeResponse
from equivox.v1.verification_pb2 import Policy
from svc.config import ServerConfig, TranscriptionConfig
from svc.pipelines.live.transcription import StreamOptions
from svc.rpc.server import Server
from svc.types import FloatArray
from tests.pipelines.live.toy_conversation import Said
from tests.rpc.conftest import tiny_server
from tests.rpc.live import CONFIG, FLUSH, KEEP_ALIVE, METHOD, Dialogue, answered_by, chunks, transcribe
from tests.rpc.speech import RATE_HZ
from tests.rpc.test_server import to
from tests.rpc.toy_server import detail_of, reason_of, retry_after_s
from tests.rpc.toy_transcriber import DURATION_S, TALK, talk
from tests.rpc.waiting import until

ANY_PORT = ServerConfig(address="127.0.0.1:0", drain_s=5.0)
SPEECH = talk()
WORDS = [("one", 0), ("two", 0), ("three", 0), ("three", 1), ("one", 1), ("two", 0)]


def config(**changes: object) -> TranscribeRequest:
    """CONFIG with other fields."""
    request = TranscribeRequest()
    request.CopyFrom(CONFIG)
    request.config.MergeFrom(TranscribeConfig(**changes))  # type: ignore[arg-type]
    return request


async def test_the_config_is_acknowledged_before_any_audio(channel: grpc.aio.Channel) -> None:
    dialogue = Dialogue(channel)
    await dialogue.send([CONFIG])
    accepted = (await dialogue.read_until("accepted")).accepted
    assert len(accepted.session_id) == 16
    assert 0 < accepted.algorithmic_latency_s < 1
    assert accepted.model_fingerprint
    assert (accepted.max_speed, accepted.max_burst_s, accepted.idle_timeout_s) == (20, 60, 60)
    assert (await dialogue.end()).events == []


async def test_words_come_while_the_stream_is_open(channel: grpc.aio.Channel) -> None:
    dialogue = Dialogue(channel)
    await dialogue.send([CONFIG, *chunks(SPEECH[:RATE_HZ])])
    word = (await dialogue.read_until("word")).word
    assert word.text
    assert word.speaker.label
    assert (await dialogue.end()).kinds()[-1] == "turn_end"


async def test_both_of_two_who_talk_at_once_are_heard(server: Server) -> None:
    answered = await transcribe(server, [CONFIG, *chunks(SPEECH)])
    heard = [(event.word.text, event.word.channel) for event in answered.events if event.HasField("word")]
    assert sorted(heard) == sorted(WORDS)
    assert answered.kinds().count("turn_start") == answered.kinds().count("turn_end") == len(TALK)
    assert {event.word.speaker.label for event in answered.events if event.HasField("word")} == {"UNKNOWN"}


async def test_words_and_ends_come_only_of_turns_that_began(server: Server) -> None:
    turns: list[int] = []
    for event in (await transcribe(server, [CONFIG, *chunks(SPEECH)])).events:
        match event.WhichOneof("event"):
            case "turn_start":
                turns.append(event.turn_start.turn_id)
            case "word":
                assert event.word.turn_id in turns
                assert event.word.end_s >= event.word.start_s
            case "turn_end":
                assert event.turn_end.turn_id in turns


@pytest.mark.parametrize("chunk_samples", [1, 7, 160, 5_000, 32_000])
async def test_chunking_never_changes_the_words(server: Server, chunk_samples: int) -> None:
    heard = talk((Said(0, 0, 0.02, 0.3, ("one",)),), duration_s=0.32) if chunk_samples < 100 else SPEECH
    whole = await transcribe(
        server, [CONFIG, TranscribeRequest(audio=heard[: 2 * RATE_HZ].tobytes()), *chunks(heard[2 * RATE_HZ :])]
    )
    pieces = await transcribe(server, [CONFIG, *chunks(heard, chunk_samples)])
    assert pieces.words() == whole.words() != []


ENCODED: dict[int, tuple[float, str]] = {PCM_ENCODING_S16LE: (2**15 - 1, "<i2"), PCM_ENCODING_F32LE: (1.0, "<f4")}


@pytest.mark.parametrize("encoding", [PCM_ENCODING_S16LE, PCM_ENCODING_F32LE])
async def test_each_encoding_and_channel_says_the_same(server: Server, encoding: PcmEncoding) -> None:
    scale, kind = ENCODED[encoding]
    stereo = np.stack([np.zeros_like(SPEECH), SPEECH], axis=1)
    data = (stereo * scale).astype(kind).tobytes()
    asked = TranscribeRequest(
        config=TranscribeConfig(encoding=encoding, sample_rate_hz=RATE_HZ, num_channels=2, channel=1)
    )
    half = len(data) // 2
    answered = await transcribe(
        server, [asked, TranscribeRequest(audio=data[:half]), TranscribeRequest(audio=data[half:])]
    )
    assert answered.words() == (await transcribe(server, [CONFIG, *chunks(SPEECH)])).words()


# The toy's words are tones: those of its first channel end below 5.5 kHz, and at 8 kHz only its turns can be heard.
HEARD_AT_HZ = {8_000: [], 11_025: [word for word in WORDS if word[1] == 0], 48_000: WORDS}
SUBTYPES: dict[int, str] = {PCM_ENCODING_S16LE: "PCM_16", PCM_ENCODING_MULAW: "ULAW", PCM_ENCODING_ALAW: "ALAW"}


async def heard_in(server: Server, encoding: PcmEncoding, rate_hz: int) -> list[TranscribeResponse]:
    """All events but the first, of SPEECH at that rate as libsndfile encodes it."""
    encoded = io.BytesIO()
    samples = soxr.resample(SPEECH, RATE_HZ, rate_hz)
    soundfile.write(encoded, samples, rate_hz, format="RAW", subtype=SUBTYPES[encoding], endian="LITTLE")
    asked = TranscribeRequest(config=TranscribeConfig(encoding=encoding, sample_rate_hz=rate_hz))
    data, size = encoded.getvalue(), 2 * rate_hz
    pieces = [TranscribeRequest(audio=data[start : start + size]) for start in range(0, len(data), size)]
    answered = await transcribe(server, [asked, *pieces])
    assert answered.error is None
    return answered.events[1:]


@pytest.mark.parametrize("encoding", [PCM_ENCODING_MULAW, PCM_ENCODING_ALAW])
@pytest.mark.parametrize("rate_hz", HEARD_AT_HZ)
async def test_a_telephone_code_at_any_rate_says_what_linear_samples_say(
    server: Server, encoding: PcmEncoding, rate_hz: int
) -> None:
    events = await heard_in(server, encoding, rate_hz)
    assert events == await heard_in(server, PCM_ENCODING_S16LE, rate_hz)
    words = [(event.word.text, event.word.channel) for event in events if event.HasField("word")]
    assert sorted(words) == sorted(HEARD_AT_HZ[rate_hz])
    assert sum(event.HasField("turn_start") for event in events) >= 2


def asked_of(server: Server) -> list[StreamOptions]:
    return server.application.transcriber.asked  # type: ignore[attr-defined, no-any-return]


async def test_partials_come_only_to_those_who_ask(server: Server) -> None:
    asked = TranscribeRequest(config=TranscribeConfig(encoding=PCM_ENCODING_F32LE, sample_rate_hz=RATE_HZ))
    without = await transcribe(server, [asked, *chunks(SPEECH)])
    with_them = await transcribe(server, [CONFIG, *chunks(SPEECH)])
    assert "partial" not in without.kinds()
    # The first was the warm-up's.
    assert [options.partials for options in asked_of(server)[1:]] == [False, True]
    assert without.words() == with_them.words()


async def test_flush_closes_the_open_turn_now_and_the_stream_goes_on(channel: grpc.aio.Channel) -> None:
    dialogue = Dialogue(channel)
    await dialogue.send([CONFIG, *chunks(SPEECH[:RATE_HZ]), FLUSH])
    assert (await dialogue.read_until("turn_end")).turn_end.forced
    await dialogue.send(chunks(SPEECH[RATE_HZ:]))
    assert (await dialogue.end()).words()


NOT_FINITE = np.where(np.arange(1600) == 7, np.nan, 0).astype(np.float32)
WRONG_CONFIGS: dict[str, tuple[dict[str, object], str, str]] = {
    "no encoding": ({"encoding": 17}, "INVALID_REQUEST", "config.encoding"),
    "4 kHz": ({"sample_rate_hz": 4_000}, "RATE_UNSUPPORTED", "config.sample_rate_hz"),
    "96 kHz": ({"sample_rate_hz": 96_000}, "RATE_UNSUPPORTED", "config.sample_rate_hz"),
    "stereo without a channel": ({"num_channels": 2}, "CHANNEL_REQUIRED", "config.channel"),
    "no such channel": ({"num_channels": 2, "channel": 2}, "CHANNEL_REQUIRED", "config.channel"),
    "a hundred channels": ({"num_channels": 100, "channel": 0}, "CHANNEL_REQUIRED", "config.num_channels"),
    "unknown policy": ({"identify": True, "policy": Policy(name="whatever")}, "POLICY_UNKNOWN", "config.policy.name"),
}


@pytest.mark.parametrize("name", WRONG_CONFIGS)
async def test_a_wrong_config_names_its_field(server: Server, name: str) -> None:
    changes, reason, field = WRONG_CONFIGS[name]
    answered = await transcribe(server, [config(**changes)])
    error = answered.refusal()
    assert (error.code(), reason_of(error)) == (StatusCode.INVALID_ARGUMENT, reason)
    assert detail_of(error, BadRequest).field_violations[0].field == field
    assert answered.events == []


WRONG_STREAMS: dict[str, tuple[list[TranscribeRequest], str, str]] = {
    "audio before config": (chunks(SPEECH), "PROTOCOL", "config"),
    "keep_alive before config": ([KEEP_ALIVE], "PROTOCOL", "config"),
    "nothing at all": ([], "PROTOCOL", "config"),
    "config twice": ([CONFIG, CONFIG], "PROTOCOL", "config"),
    "config amid audio": ([CONFIG, *chunks(SPEECH), CONFIG], "PROTOCOL", "config"),
    "an empty message": ([CONFIG, TranscribeRequest()], "INVALID_REQUEST", "audio"),
    "an empty chunk": ([CONFIG, TranscribeRequest(audio=b"")], "AUDIO_MISSING", "audio"),
    "half a sample": ([CONFIG, TranscribeRequest(audio=b"\0" * 6)], "AUDIO_TRUNCATED", "audio"),
    "NaN": ([CONFIG, *chunks(NOT_FINITE)], "AUDIO_NOT_FINITE", "audio"),
    "integers as floats": ([CONFIG, *chunks(SPEECH * 32_768)], "AUDIO_FORMAT", "audio"),
    "more than 2 s": ([CONFIG, *chunks(SPEECH, 32_001)], "AUDIO_TOO_LONG", "audio"),
}


@pytest.mark.parametrize("name", WRONG_STREAMS)
async def test_a_wrong_message_names_its_field(server: Server, name: str) -> None:
    requests, reason, field = WRONG_STREAMS[name]
    error = (await transcribe(server, requests)).refusal()
    assert (error.code(), reason_of(error)) == (StatusCode.INVALID_ARGUMENT, reason)
    assert detail_of(error, BadRequest).field_violations[0].field == field
    assert len(error.details() or "") > 20


async def test_a_chunk_of_100_seconds_is_refused_by_name(server: Server) -> None:
    asked = TranscribeRequest(config=TranscribeConfig(encoding=PCM_ENCODING_MULAW, sample_rate_hz=8_000))
    error = (await transcribe(server, [asked, TranscribeRequest(audio=bytes(800_000))])).refusal()
    assert (reason_of(error), "100.000 s" in str(error.details())) == ("AUDIO_TOO_LONG", True)


async def test_bytes_that_are_no_message_are_refused_as_such(server: Server) -> None:
    error = (await answered_by(server, [b"\xff" * 9], bytes)).refusal()
    assert (error.code(), reason_of(error)) == (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")


async def test_a_mistake_costs_no_words_said_before_it(server: Server) -> None:
    good = await transcribe(server, [CONFIG, *chunks(SPEECH)])
    spoilt = await transcribe(server, [CONFIG, *chunks(SPEECH), CONFIG])
    assert spoilt.words() == good.words()
    assert spoilt.kinds()[-1] == "turn_end"


TIME_S = np.arange(RATE_HZ) / RATE_HZ
SOUNDS: dict[str, FloatArray] = {
    "silence": np.zeros(RATE_HZ, np.float32),
    "music": 0.2 * np.sin(np.outer(TIME_S, [1646, 2073, 2463])).sum(axis=1).astype(np.float32),  # a chord of C
    "clipping": np.clip(50 * SPEECH, -1, 1),
    "8 kHz declared as 16": talk(rate_hz=8_000),
    "noise": np.random.default_rng(0).normal(0, 0.2, RATE_HZ).astype(np.float32),
}


TOLD = {
    "silence": {"SILENCE"},
    "music": {"BAND_MISMATCH"},  # nothing of this chord is above 4 kHz
    "clipping": {"CLIPPED"},
    "8 kHz declared as 16": {"RATE_SUSPECT"},
    "noise": set(),
}


@pytest.mark.parametrize("name", SOUNDS)
async def test_odd_sounds_are_answered_all_the_same_and_told_of(server: Server, name: str) -> None:
    sound = np.resize(SOUNDS[name], 12 * RATE_HZ)
    answered = await transcribe(server, [CONFIG, *chunks(sound)])
    assert answered.error is None
    assert answered.kinds().count("turn_start") == answered.kinds().count("turn_end")
    assert {event.warning.reason for event in answered.events if event.HasField("warning")} == TOLD[name]


async def test_a_dropped_stream_frees_its_state_at_once(server: Server, channel: grpc.aio.Channel) -> None:
    held = server.application.transcriber.held  # type: ignore[attr-defined]
    dialogue = Dialogue(channel)
    await dialogue.send([CONFIG, *chunks(SPEECH)])
    await dialogue.read_until("word")
    assert len(held) == 1
    dialogue.call.cancel()
    await until(lambda: not held)
    await until(lambda: server.stream_admission.num_running == 0)
    assert server.metrics.registry.get_sample_value("equivox_streams_open") == 0


async def test_an_ended_stream_frees_its_state(server: Server, channel: grpc.aio.Channel) -> None:
    await transcribe(server, [CONFIG, *chunks(SPEECH)])
    assert not server.application.transcriber.held  # type: ignore[attr-defined]


@pytest.mark.slow
async def test_a_slow_server_slows_its_sender_down(server: Server) -> None:
    server.application.transcriber.block_s = 0.3  # type: ignore[attr-defined]
    one_s = chunks(np.zeros(RATE_HZ, np.float32))
    sent: list[TranscribeRequest] = []

    def two_minutes() -> Iterator[TranscribeRequest]:
        for request in [CONFIG, *one_s * 120]:
            sent.append(request)
            yield request

    running = asyncio.create_task(transcribe(server, two_minutes()))
    await asyncio.sleep(1.5)
    # Some seconds have been worked on, two wait in the inbox and 16 in gRPC's window; all else is not sent yet.
    assert len(sent) < 45 * len(one_s)
    server.application.transcriber.block_s = 0.0  # type: ignore[attr-defined]
    await server.drain()
    assert (await running).error is None


async def test_audio_too_fast_is_told_when_to_go_on(tmp_path: Path) -> None:
    limits = TranscriptionConfig(max_speed=2.0, max_burst_s=2.0)
    async with tiny_server(tmp_path, server=ANY_PORT, transcription=limits) as server:
        answered = await transcribe(server, [CONFIG, *chunks(np.tile(SPEECH, 3))])
    error = answered.refusal()
    assert (error.code(), reason_of(error)) == (StatusCode.RESOURCE_EXHAUSTED, "STREAM_TOO_FAST")
    assert 0 < retry_after_s(error) < 0.1
    assert answered.kinds()[-1] == "turn_end"


async def test_a_stream_that_falls_silent_is_ended_and_keep_alive_prevents_it(tmp_path: Path) -> None:
    limits = TranscriptionConfig(idle_timeout_s=0.6)
    async with tiny_server(tmp_path, server=ANY_PORT, transcription=limits) as server, to(server) as channel:
        dialogue = Dialogue(channel)
        await dialogue.send([CONFIG, *chunks(SPEECH[:RATE_HZ])])
        for _ in range(45):  # 1.5 timeouts at the least
            kept_alive_s = time.monotonic()
            await dialogue.send([KEEP_ALIVE])
            await asyncio.sleep(0.02)
        answered = await dialogue.rest()
    assert time.monotonic() - kept_alive_s >= limits.idle_timeout_s
    error = answered.refusal()
    assert (error.code(), reason_of(error)) == (StatusCode.DEADLINE_EXCEEDED, "STREAM_IDLE")
    assert answered.kinds()[-1] == "turn_end"


async def test_without_limits_audio_comes_as_fast_as_it_can(tmp_path: Path) -> None:
    limits = TranscriptionConfig(max_speed=0.0, max_burst_s=0.0)
    async with tiny_server(tmp_path, server=ANY_PORT, transcription=limits) as server:
        answered = await transcribe(server, [CONFIG, *chunks(SPEECH)])
    assert answered.error is None
    assert answered.words()


async def test_a_caller_who_reads_nothing_holds_no_stream_for_ever(tmp_path: Path) -> None:
    limits = TranscriptionConfig(idle_timeout_s=0.5, max_speed=0.0)
    small_window = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 4096)]
    async with (
        tiny_server(tmp_path, server=ANY_PORT, transcription=limits) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options=small_window) as channel,
    ):
        method = channel.stream_stream(METHOD, TranscribeRequest.SerializeToString, TranscribeResponse.FromString)
        call = method()  # type: ignore[call-arg]  # the stubs want an iterator
        await call.write(CONFIG)
        await until(lambda: server.stream_admission.num_running == 1)

        async def talk_on() -> None:
            while True:
                for request in chunks(SPEECH):
                    await call.write(request)

        talking = asyncio.create_task(talk_on())
        await until(lambda: server.stream_admission.num_running == 0)
        talking.cancel()
        call.cancel()


async def test_one_stream_too_many_is_told_to_come_back_and_calls_are_not(tmp_path: Path) -> None:
    limits = TranscriptionConfig(max_streams=1)
    async with tiny_server(tmp_path, server=ANY_PORT, transcription=limits) as server, to(server) as channel:
        first = Dialogue(channel)
        await first.send([CONFIG])
        await first.read_until("accepted")
        error = (await transcribe(server, [CONFIG])).refusal()
        await first.end()
        after = await transcribe(server, [CONFIG])
    assert (error.code(), reason_of(error)) == (StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    assert "1 streams are under way" in str(error.details())
    assert after.error is None


async def test_a_drain_closes_open_turns_and_ends_streams_well(tmp_path: Path) -> None:
    async with tiny_server(tmp_path, server=replace(ANY_PORT, drain_s=30.0)) as server, to(server) as channel:
        talking, waiting = Dialogue(channel), Dialogue(channel)
        await talking.send([CONFIG, *chunks(SPEECH[:RATE_HZ])])
        await talking.read_until("word")
        await until(lambda: server.stream_admission.num_running == 2)
        await asyncio.wait_for(server.drain(), 5)
        answered = await talking.rest()
        early = await waiting.rest()
    assert answered.error is None
    assert [event.warning.reason for event in answered.events if event.HasField("warning")] == ["DRAINING"]
    assert answered.kinds()[-1] == "turn_end"
    assert reason_of(early.refusal()) == "NOT_READY"


async def test_many_streams_at_once_each_get_their_own_words(server: Server) -> None:
    texts = ["one", "two", "three"] * 8
    talks = [talk((Said(0, 0, 0.2, 1.0, (text,) * 3),), duration_s=1.2) for text in texts]
    together = await asyncio.gather(*(transcribe(server, [CONFIG, *chunks(heard)]) for heard in talks))
    assert [[word[0] for word in answered.words()] for answered in together] == [[text] * 3 for text in texts]


async def test_metrics_tell_audio_words_and_the_wait_for_the_first(server: Server, channel: grpc.aio.Channel) -> None:
    answered = await transcribe(server, [CONFIG, *chunks(SPEECH)])
    value = server.metrics.registry.get_sample_value
    assert value("equivox_stream_audio_seconds_total") == pytest.approx(DURATION_S)
    assert value("equivox_stream_words_total") == len(answered.words())
    assert value("equivox_stream_first_word_seconds_count") == answered.kinds().count("turn_start")
    await until(lambda: value("equivox_real_time_factor_count", {"method": "Transcription.Transcribe"}) == 1)
    assert 0 < (value("equivox_stream_work_seconds_total") or 0) < 3
