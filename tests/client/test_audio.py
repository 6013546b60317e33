"""Everything callers may hand in as audio."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from equivox import requests
from equivox.audio import PCM_ENCODINGS, Container, Pcm, to_audio
from equivox.requests import to_utterances
from equivox.v1 import audio_pb2
from tests.contract_names import numbers_by_name


@given(st_numpy.arrays(np.int16, st.integers(0, 50)))
def test_int16_arrays_travel_bit_for_bit(samples: np.ndarray[Any, Any]) -> None:
    pcm = to_audio((samples, 16000)).pcm
    assert pcm.encoding == audio_pb2.PCM_ENCODING_S16LE
    assert (np.frombuffer(pcm.samples, "<i2") == samples).all()


@pytest.mark.parametrize("kind", [np.float32, np.float64, ">f4", ">f8"])
def test_float_arrays_of_any_byte_order_travel_as_little_endian_f32(kind: Any) -> None:  # noqa: ANN401
    samples = np.linspace(-1, 1, 33).astype(kind)
    pcm = to_audio(Pcm(samples, 8000)).pcm
    assert (pcm.encoding, pcm.sample_rate_hz) == (audio_pb2.PCM_ENCODING_F32LE, 8000)
    assert (np.frombuffer(pcm.samples, "<f4") == samples.astype("<f4")).all()


@pytest.mark.parametrize("order", ["C", "F"])
def test_two_channels_are_interleaved_whatever_the_memory_order(order: Any) -> None:  # noqa: ANN401
    samples = np.array([[1, 2], [3, 4], [5, 6]], np.int16, order=order)
    audio = to_audio(Pcm(samples, 16000, channel=1))
    assert (audio.pcm.num_channels, audio.channel) == (2, 1)
    assert np.frombuffer(audio.pcm.samples, "<i2").tolist() == [1, 2, 3, 4, 5, 6]


def test_a_numpy_integer_is_a_rate_too() -> None:
    assert to_audio((np.zeros(3, np.int16), np.int64(8000))).pcm.sample_rate_hz == 8000  # type: ignore[arg-type]


@pytest.mark.parametrize("wrap", [str, Path, Path.read_bytes, lambda path: bytearray(path.read_bytes()), Container])
def test_files_travel_whole(wrap: Any, tmp_path: Path) -> None:  # noqa: ANN401
    (tmp_path / "clip.flac").write_bytes(b"fLaC...")
    audio = to_audio(wrap(tmp_path / "clip.flac"))
    assert (audio.container, audio.HasField("channel")) == (b"fLaC...", False)


def test_a_container_declares_rate_and_channel() -> None:
    audio = to_audio(Container(b"RIFF", declared_sample_rate_hz=8000, channel=0))
    assert (audio.declared_sample_rate_hz, audio.HasField("channel"), audio.channel) == (8000, True, 0)


def test_every_encoding_of_the_contract_is_called_by_its_name() -> None:
    assert {name.upper(): number for name, number in PCM_ENCODINGS.items()} == numbers_by_name(audio_pb2.PcmEncoding)


def test_a_kept_band_goes_back_by_its_name() -> None:
    sent = {band.name: number for band, number in requests._BANDS.items() if band is not None}
    assert sent == numbers_by_name(audio_pb2.Band)


def test_raw_bytes_need_a_known_encoding() -> None:
    assert to_audio(Pcm(b"\1\2", 8000, encoding="alaw", num_channels=2)).pcm.num_channels == 2
    with pytest.raises(ValueError, match="mulaw"):
        to_audio(Pcm(b"\1", 8000, encoding="mp3"))


@pytest.mark.parametrize(
    ("wrong", "error", "remedy"),
    [
        (np.zeros(3), TypeError, "an array needs its rate"),
        (None, TypeError, "path"),
        (io.BytesIO(b""), TypeError, "path"),
        (([0.0, 0.1], 16000), TypeError, "numpy array"),
        ((np.zeros(3, np.int32), 16000), TypeError, "int16, float32"),
        ((np.zeros((3, 2, 2), np.int16), 16000), ValueError, "shape"),
        ("no-such-file.wav", FileNotFoundError, "no-such-file"),
    ],
)
def test_what_is_not_audio_is_refused_with_the_remedy(wrong: Any, error: type[Exception], remedy: str) -> None:  # noqa: ANN401
    with pytest.raises(error, match=remedy):
        to_audio(wrong)


@pytest.mark.parametrize(
    ("utterances", "count"),
    [
        ((np.zeros(3, np.int16), 16000), 1),
        (b"RIFF", 1),
        ([(np.zeros(3, np.int16), 8000), b"RIFF"], 2),
        ((b"R",) * 3, 3),
        (bytearray(b"RIFF"), 1),
        (memoryview(b"RIFF"), 1),
    ],
)
def test_utterances_may_be_one_or_several(utterances: Any, count: int) -> None:  # noqa: ANN401
    assert len(to_utterances(utterances)) == count
