"""MP3 files are heard to their end, whatever their first header tells of it."""

import io

import numpy as np
import pytest
import soundfile

from equivox_files.errors import AudioFileError
from equivox_files.mp3 import frames_of, with_true_length, xing_at
from svc.audio.decode import decode_container
from svc.config import AudioConfig
from svc.errors import AudioFormatError
from tests.audio.containers import tone

LIMITS = AudioConfig()
ID3V1, ID3V2 = b"TAG" + bytes(125), b"ID3\4\0\0\0\0\x0f\0" + bytes(0x780)


def mp3(seconds: float, *, rate_hz: int = 16_000, num_channels: int = 1, smallness: float = 0.5) -> bytes:
    """A tone; `smallness` from 0, the highest bit rate, to 1. It has a Xing header."""
    samples, file = tone(round(seconds * rate_hz), rate_hz=rate_hz, num_channels=num_channels), io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="MP3", compression_level=smallness, bitrate_mode="VARIABLE")
    return file.getvalue()


def without_header(data: bytes) -> bytes:
    return b"".join(data[start:end] for start, end in frames_of(data) if xing_at(data, start) is None)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
@pytest.mark.parametrize("smallness", [0.0, 0.9])
def test_frames_follow_each_other_to_the_end(rate_hz: int, smallness: float) -> None:
    data = mp3(1.0, rate_hz=rate_hz, num_channels=2, smallness=smallness)
    frames = list(frames_of(data))
    assert [end for _, end in frames] == [*(start for start, _ in frames[1:]), len(data)]
    xing = xing_at(data, 0)
    assert xing is not None
    assert (xing.num_frames, xing.num_bytes) == (len(frames) - 1, len(data))


@pytest.mark.parametrize(("before", "after"), [(b"", b""), (ID3V2, ID3V1)])
def test_a_file_that_tells_its_length_is_left_as_it_is(before: bytes, after: bytes) -> None:
    data = before + mp3(1.0) + after
    assert with_true_length(data) is data


@pytest.mark.parametrize(("rate_hz", "num_channels"), [(8_000, 1), (16_000, 2), (44_100, 1), (48_000, 2)])
@pytest.mark.parametrize("between", [b"", ID3V1 + ID3V2])
def test_files_joined_end_to_end_are_heard_to_the_last(rate_hz: int, num_channels: int, between: bytes) -> None:
    one, other = (mp3(seconds, rate_hz=rate_hz, num_channels=num_channels) for seconds in (1.0, 3.0))
    waveform = decode_container(one + between + other, channel=0, limits=LIMITS)
    assert waveform.duration_s == pytest.approx(4.0, abs=0.3)
    assert np.abs(waveform.samples[-rate_hz // 2 :]).max() > 0.3


@pytest.mark.parametrize("smallness", [(0.0, 0.99), (0.99, 0.0)])
def test_without_a_header_the_first_bit_rate_does_not_tell_the_length(smallness: tuple[float, float]) -> None:
    loud, small = (without_header(mp3(3.0, smallness=each)) for each in smallness)
    waveform = decode_container(loud + small, limits=AudioConfig(max_duration_s=7.0))
    assert waveform.duration_s == pytest.approx(6.0, abs=0.3)


@pytest.mark.parametrize(("rate_hz", "num_channels"), [(24_000, 1), (16_000, 2), (44_100, 1)])
def test_files_of_two_kinds_joined_are_refused(rate_hz: int, num_channels: int) -> None:
    one, other = mp3(1.0), mp3(1.0, rate_hz=rate_hz, num_channels=num_channels)
    with pytest.raises(AudioFormatError, match=r"channels change at byte .*: send each by itself") as caught:
        decode_container(one + other, limits=LIMITS)
    assert caught.value.field == "container"


def test_what_only_looks_like_frames_is_given_up_soon() -> None:
    with pytest.raises(AudioFileError, match="the file is broken"):
        with_true_length(b"\xff\xfb" * 1_000_000)
