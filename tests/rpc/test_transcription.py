"""Live transcription over a real channel: what is heard, whatever it is sent as, and what is told of it."""

import asyncio
import io

import grpc
import numpy as np
import pytest
import soundfile
import soxr

from equivox.v1.audio_pb2 import (
    PCM_ENCODING_ALAW,
    PCM_ENCODING_F32LE,
    PCM_ENCODING_MULAW,
    PCM_ENCODING_S16LE,
    PcmEncoding,
)
from equivox.v1.transcription_pb2 import TranscribeConfig, TranscribeRequest, TranscribeResponse
from svc.pipelines.live.transcription import StreamOptions
from svc.rpc.server import Server
from tests.pipelines.live.toy_conversation import Said
from tests.rpc.live import CONFIG, FLUSH, Dialogue, chunks, transcribe
from tests.rpc.speech import RATE_HZ
from tests.rpc.toy_transcriber import DURATION_S, SPEECH, TALK, talk
from tests.rpc.waiting import until

WORDS = [("one", 0), ("two", 0), ("three", 0), ("three", 1), ("one", 1), ("two", 0)]


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
