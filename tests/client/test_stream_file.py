"""Files streamed by the client: the samples the server's own decoder would hear, or an error where it would refuse."""

import traceback
from pathlib import Path

import numpy as np
import pytest

from equivox import Client, Container, TranscribeOptions
from equivox.stream_audio import to_source
from equivox.stream_file import StreamFile
from equivox.v1 import audio_pb2
from equivox_files.errors import AudioFileError, CutOffError, DeclaredRateError
from svc.audio.decode import decode_container
from svc.config import AudioConfig
from svc.errors import ServiceError
from tests.audio.containers import WHOLE_FORMATS, encoded, silent_opus, tone
from tests.client.toy_server import Recorder

RATE_HZ = 16_000
SECOND = tone(RATE_HZ, rate_hz=RATE_HZ)


def mp3(seconds: int) -> bytes:
    return encoded(np.tile(SECOND, (seconds, 1)), container="MP3", codec="MPEG_LAYER_III")


def streamed(source: "Path | bytes") -> np.ndarray:
    """(N,) as the server receives it."""
    file = StreamFile(source)
    data = b"".join(file.pieces())
    if file.encoding == audio_pb2.PCM_ENCODING_F32LE:
        return np.frombuffer(data, np.float32)
    return np.frombuffer(data, np.int16) / 2**15


@pytest.mark.parametrize(("container", "codec", "_error"), WHOLE_FORMATS)
def test_the_server_hears_the_same_of_a_file_streamed_as_of_one_sent(
    tmp_path: Path, container: str, codec: str, _error: float | None
) -> None:
    data = encoded(SECOND, container=container, codec=codec)
    (tmp_path / "a").write_bytes(data)
    sent = decode_container(data, limits=AudioConfig())
    for source in (data, tmp_path / "a"):
        np.testing.assert_allclose(streamed(source), sent.samples, atol=1e-4)


@pytest.mark.parametrize("joined", [mp3(2) + mp3(3), mp3(2) + mp3(3)[1000:]])
def test_mp3s_joined_end_to_end_are_streamed_to_the_last(tmp_path: Path, joined: bytes) -> None:
    (tmp_path / "joined.mp3").write_bytes(joined)
    sent = decode_container(joined, limits=AudioConfig())
    assert sent.duration_s > 4
    assert len(streamed(tmp_path / "joined.mp3")) == len(sent.samples)


@pytest.mark.parametrize(
    ("container", "codec"),
    [("WAV", "PCM_16"), ("WAV", "PCM_24"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS")],
)
@pytest.mark.parametrize("kept", [0.3, 0.5, 0.9])
def test_a_file_cut_off_is_refused_by_name(
    client: Client, tmp_path: Path, container: str, codec: str, kept: float
) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((10 * RATE_HZ, 1), np.float32)
    data = encoded(noise, container=container, codec=codec)
    (tmp_path / "cut").write_bytes(data[: round(kept * len(data))])
    with pytest.raises(ServiceError):
        decode_container(data[: round(kept * len(data))], limits=AudioConfig())
    with pytest.raises(CutOffError, match=r"/cut: the file (is cut|breaks) off.*send (it whole|the whole file)"):
        client.transcribe_all(tmp_path / "cut")


def test_a_file_without_a_single_sample_is_refused(client: Client, tmp_path: Path) -> None:
    empty = encoded(SECOND[:0])
    with pytest.raises(ServiceError, match="holds no samples"):
        decode_container(empty, limits=AudioConfig())
    (tmp_path / "empty.wav").write_bytes(empty)
    with pytest.raises(AudioFileError, match=r"/empty\.wav: the file holds no samples: record it anew"):
        client.transcribe_all(tmp_path / "empty.wav")


def test_what_was_decoded_before_a_file_breaks_off_is_sent(client: Client, recorder: Recorder) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((10 * RATE_HZ, 1), np.float32)
    half = encoded(noise, container="FLAC")
    with pytest.raises(AudioFileError, match=r"^the file breaks off after [345]\.\d+ of 10\.000 s"):
        client.transcribe_all(half[: len(half) // 2], TranscribeOptions(chunk_ms=1000))
    sent = b"".join(request.audio for request in recorder.requests)
    assert 3 < len(sent) / 2 / RATE_HZ < 6


def test_an_error_keeps_no_view_of_memory() -> None:
    """In its frames, as part of a cycle, one crashes Python's garbage collector before 3.12.4."""
    half = encoded(0.1 * np.random.default_rng(0).standard_normal((10 * RATE_HZ, 1), np.float32), container="FLAC")
    with pytest.raises(AudioFileError) as caught:
        list(StreamFile(half[: len(half) // 2]).pieces())
    assert caught.value.__cause__ is not None
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__cause__.__traceback__)]
    assert len(frames) > 2
    assert not [kept for frame in frames for kept in frame.f_locals.values() if isinstance(kept, memoryview)]


@pytest.mark.parametrize("data", [silent_opus(2) + silent_opus(2), b"", b"RIFFxxxxAVI LIST"])
def test_what_the_server_refuses_is_refused_at_once(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(ServiceError):
        decode_container(data, limits=AudioConfig())
    for source in (data, tmp_path / "a"):
        with pytest.raises(AudioFileError):
            to_source(source)


def test_a_declared_rate_that_is_not_the_files_is_an_error() -> None:
    for data in (encoded(SECOND), encoded(SECOND, container="FLAC")):
        assert to_source(Container(data, declared_sample_rate_hz=RATE_HZ)).sample_rate_hz == RATE_HZ
        with pytest.raises(DeclaredRateError, match="declared 8000 Hz, but the file says 16000"):
            to_source(Container(data, declared_sample_rate_hz=8_000))
    opus = silent_opus(1, input_rate_hz=16_000)
    for rate_hz in (16_000, 48_000):
        to_source(Container(opus, declared_sample_rate_hz=rate_hz))


def test_a_wave_whose_writer_could_not_know_its_length_is_streamed_to_its_end() -> None:
    data = bytearray(encoded(SECOND))
    data[4:8] = data[40:44] = b"\xff" * 4
    assert len(b"".join(StreamFile(bytes(data)).pieces())) == 2 * RATE_HZ


def test_of_a_header_that_promises_too_little_nothing_is_lost() -> None:
    """As decoders of the server, which read on."""
    data = silent_opus(3, claimed_pages=2)
    sent = decode_container(data, limits=AudioConfig())
    assert len(b"".join(StreamFile(data).pieces())) == 2 * len(sent.samples)
