"""Streams that cannot be sent as they are: refused at once where that can be told, and never half understood."""

from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equivox import (
    Client,
    Container,
    Costs,
    Pcm,
    PcmStream,
    StreamLike,
    TranscribeOptions,
)
from equivox.stream_audio import to_source
from tests.client.ramp import RAMP, WAV, audio_of
from tests.client.toy_server import Recorder


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


@pytest.mark.parametrize("idle_timeout_s", [0.0, 0.3])
def test_what_the_callers_iterator_raises_comes_back(client: Client, recorder: Recorder, idle_timeout_s: float) -> None:
    recorder.idle_timeout_s = idle_timeout_s

    def broken() -> Iterator[bytes]:
        yield RAMP[:80].tobytes()
        raise OSError("the microphone is gone")

    with pytest.raises(OSError, match="microphone"):
        client.transcribe_all(PcmStream(chunks=broken(), sample_rate_hz=8_000))


@pytest.mark.parametrize("idle_timeout_s", [0.0, 0.3])
def test_what_would_end_a_thread_comes_back_as_an_error(
    client: Client, recorder: Recorder, idle_timeout_s: float
) -> None:
    recorder.idle_timeout_s = idle_timeout_s

    def leaving() -> Iterator[bytes]:
        yield RAMP[:80].tobytes()
        raise SystemExit(3)

    with pytest.raises(RuntimeError, match=r"the iterator of chunks raised SystemExit\(3\)"):
        client.transcribe_all(PcmStream(chunks=leaving(), sample_rate_hz=8_000))


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


@pytest.mark.parametrize("chunk_ms", [0, -1, 2001, float("nan")])
def test_chunks_must_fit_a_message(chunk_ms: float) -> None:
    with pytest.raises(ValueError, match="2000"):
        TranscribeOptions(chunk_ms=chunk_ms)


def test_an_async_iterator_is_for_the_async_client(client: Client) -> None:
    async def talking() -> AsyncIterator[bytes]:
        yield b""

    with pytest.raises(TypeError, match="AsyncClient"):
        client.transcribe(PcmStream(chunks=talking(), sample_rate_hz=8_000))
