"""Live transcription by both clients over a real channel: what is sent, and what comes back."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from equivox import (
    FLUSH,
    KEEP_ALIVE,
    AsyncClient,
    Client,
    Container,
    Pcm,
    PcmStream,
    StreamAccepted,
    StreamLike,
    TranscribeOptions,
)
from equivox.v1 import audio_pb2
from tests.client.ramp import RAMP, audio_of
from tests.client.toy_server import Recorder


def wav(path: Path, *, subtype: str = "PCM_16") -> Path:
    soundfile.write(path, RAMP, 8_000, subtype=subtype)
    return path


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


def test_chunks_of_two_channels_are_sent_interleaved(client: Client, recorder: Recorder) -> None:
    stereo = RAMP.reshape(-1, 2)
    client.transcribe_all(PcmStream(chunks=[stereo[:7], stereo[7:]], sample_rate_hz=8_000, num_channels=2))
    assert audio_of(recorder) == RAMP.tobytes()


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
