"""Every way in gives the samples that were put in; every broken way in has its named error."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equivox_files.containers import Container, check_whole
from svc.audio.decode import PcmEncoding, decode_container, decode_pcm
from svc.config import AudioConfig
from svc.errors import (
    AudioFormatError,
    AudioMissingError,
    AudioNotFiniteError,
    AudioTooLongError,
    AudioTruncatedError,
    ChannelError,
    RateMismatchError,
    RateUnsupportedError,
    ServiceError,
)
from tests.audio.containers import WHOLE_FORMATS, encoded, ogg_page, silent_opus, tone

LIMITS = AudioConfig()


@pytest.mark.parametrize(("container", "codec", "tolerance"), WHOLE_FORMATS)
@pytest.mark.parametrize("channel", [0, 1])
def test_the_chosen_channel_comes_back(container: str, codec: str, tolerance: float | None, channel: int) -> None:
    samples = tone(num_channels=2)
    waveform = decode_container(encoded(samples, container=container, codec=codec), channel=channel, limits=LIMITS)
    assert waveform.sample_rate_hz == 16_000
    assert waveform.samples.dtype == np.float32
    if tolerance is None:
        assert np.corrcoef(waveform.samples[:16_000], samples[:, channel])[0, 1] > 0.98
    else:
        np.testing.assert_allclose(waveform.samples, samples[:, channel], atol=tolerance)


@pytest.mark.parametrize(("container", "codec", "tolerance"), WHOLE_FORMATS)
@pytest.mark.parametrize("missing", [1, 200, 0.5, 0.98])
def test_a_file_cut_off_is_said_to_be(container: str, codec: str, tolerance: float | None, missing: float) -> None:
    data = encoded(tone(48_000), container=container, codec=codec)
    kept = len(data) - round(missing if missing >= 1 else missing * len(data))
    with pytest.raises(AudioTruncatedError, match=r"cut off|breaks off"):
        decode_container(data[:kept], limits=LIMITS)


@pytest.mark.parametrize("size", [0x7FFF_FFFF, 0xFFFF_FFFF])
def test_a_wav_from_a_pipe_needs_no_size(size: int) -> None:
    data = bytearray(encoded(tone()))
    data[40:44] = size.to_bytes(4, "little")
    assert len(decode_container(bytes(data), limits=LIMITS).samples) == 16_000


def test_ogg_cut_at_a_page_is_noticed() -> None:
    data = silent_opus(3)
    with pytest.raises(AudioTruncatedError, match="last page"):
        decode_container(data[: data.rindex(b"OggS")], limits=LIMITS)


@pytest.mark.parametrize("codec", ["VORBIS", "OPUS"])
def test_ogg_files_joined_end_to_end_are_refused_and_not_cut(codec: str) -> None:
    one, other = (encoded(tone(length), container="OGG", codec=codec) for length in (16_000, 32_000))
    with pytest.raises(AudioFormatError, match=f"begins at byte {len(one)}, .*: send each by itself") as caught:
        decode_container(one + other, limits=LIMITS)
    assert caught.value.field == "container"


def test_ogg_streams_side_by_side_are_no_joined_files() -> None:
    other = ogg_page(b"fishead\0", b"\x08", flags=2, granule=0, serial=9, number=0)
    check_whole(other + silent_opus(2), Container.OGG)


def flac_of_unknown_length(num_samples: int) -> bytes:
    data = bytearray(encoded(np.zeros((num_samples, 1), np.float32), rate_hz=8_000, container="FLAC"))
    data[21:26] = bytes([data[21] & 0xF0, 0, 0, 0, 0])
    return bytes(data)


def test_flac_needs_no_length() -> None:
    assert decode_container(flac_of_unknown_length(30_000), limits=LIMITS).duration_s == 3.75


def test_the_limit_holds_while_decoding_what_no_header_tells() -> None:
    bomb = flac_of_unknown_length(8_000 * 1200)
    tracemalloc.start()
    try:
        with pytest.raises(AudioTooLongError, match="longer than 10 s"):
            decode_container(bomb, limits=AudioConfig(max_duration_s=10))
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20  # 20 min would be 38 MB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("claimed_pages", [None, 1, 10**9])
def test_an_opus_bomb_costs_little_whatever_it_claims(claimed_pages: int | None) -> None:
    bomb = silent_opus(100, claimed_pages=claimed_pages)  # 80 KB, 51 minutes
    tracemalloc.start()
    try:
        with pytest.raises(AudioTooLongError):
            decode_container(bomb, limits=AudioConfig(max_duration_s=20))
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()


def test_bytes_over_the_limit_are_not_even_looked_at() -> None:
    with pytest.raises(AudioTooLongError, match="more than 1000,"):
        decode_container(b"\0" * 1001, limits=AudioConfig(max_bytes=1000))


@pytest.mark.parametrize("declared_rate_hz", [None, 8_000, 48_000])
def test_opus_may_be_declared_at_its_input_rate_or_at_its_clock(declared_rate_hz: int | None) -> None:
    data = encoded(tone(rate_hz=8_000), rate_hz=8_000, container="OGG", codec="OPUS")
    assert decode_container(data, declared_rate_hz=declared_rate_hz, limits=LIMITS).sample_rate_hz == 8_000


def test_opus_of_a_cd_may_be_declared_as_such() -> None:
    data = silent_opus(1, input_rate_hz=44_100)
    assert decode_container(data, declared_rate_hz=44_100, limits=LIMITS).sample_rate_hz == 48_000


@pytest.mark.parametrize("container", ["WAV", "FLAC"])
def test_another_rate_than_declared_is_refused(container: str) -> None:
    with pytest.raises(RateMismatchError, match="declared 8000 Hz, but the file says 16000") as caught:
        decode_container(encoded(tone(), container=container), declared_rate_hz=8_000, limits=LIMITS)
    assert caught.value.field == "declared_sample_rate_hz"


@pytest.mark.parametrize("rate_hz", [4_000, 7_999, 48_001, 96_000])
def test_rates_outside_speech_are_refused(rate_hz: int) -> None:
    with pytest.raises(RateUnsupportedError, match=str(rate_hz)):
        decode_container(encoded(tone(), rate_hz=rate_hz), limits=LIMITS)
    with pytest.raises(RateUnsupportedError, match=str(rate_hz)):
        decode_pcm(b"\0\0", encoding=PcmEncoding.S16LE, sample_rate_hz=rate_hz, limits=LIMITS)


@pytest.mark.parametrize(("num_channels", "channel"), [(2, None), (2, 2), (1, 1), (1, -1), (9, 0)])
def test_a_channel_that_is_not_there_is_refused(num_channels: int, channel: int | None) -> None:
    samples = tone(100, num_channels=num_channels)
    with pytest.raises(ChannelError):
        decode_container(encoded(samples), channel=channel, limits=LIMITS)
    with pytest.raises(ChannelError):
        pcm(samples, num_channels=num_channels, channel=channel)


def pcm(samples: np.ndarray, *, num_channels: int = 1, channel: int | None = None) -> np.ndarray:
    waveform = decode_pcm(
        samples.astype("<f4").tobytes(),
        encoding=PcmEncoding.F32LE,
        sample_rate_hz=16_000,
        num_channels=num_channels,
        channel=channel,
        limits=LIMITS,
    )
    return waveform.samples


def test_no_channels_at_all_are_refused() -> None:
    data = bytearray(encoded(tone()))
    data[22:24] = b"\0\0"
    with pytest.raises(AudioFormatError, match="Channel count is zero"):
        decode_container(bytes(data), limits=LIMITS)
    with pytest.raises(ChannelError, match="got 0"):
        pcm(tone(100), num_channels=0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 9_999, 40_000])
def test_what_is_no_number_is_found(bad: float, place: int) -> None:
    samples = tone(40_001)
    samples[place] = bad
    for decode in (pcm, lambda x: decode_container(encoded(x, codec="FLOAT"), limits=LIMITS)):
        with pytest.raises(AudioNotFiniteError, match=f"sample {place} "):
            decode(samples)


def test_integers_sent_as_floats_are_named() -> None:
    with pytest.raises(AudioFormatError, match="divide 16-bit values by 32768"):
        pcm(tone() * 32768)


@pytest.mark.parametrize("data", [b"", encoded(tone(0))])
def test_no_samples_is_no_audio(data: bytes) -> None:
    with pytest.raises(AudioMissingError):
        decode_container(data, limits=LIMITS)


@pytest.mark.parametrize("data", [b"x", b"RIFF\0\0\0\0AVI ", b"\0" * 100, b"\xff\xfb" + b"\x90" * 400, b"fLaC"])
def test_what_is_no_audio_file_is_refused(data: bytes) -> None:
    with pytest.raises((AudioFormatError, AudioTruncatedError)):
        decode_container(data, limits=LIMITS)


def test_half_a_frame_of_pcm_is_truncated() -> None:
    with pytest.raises(AudioTruncatedError, match="whole number of frames"):
        decode_pcm(b"\0" * 6, encoding=PcmEncoding.F32LE, sample_rate_hz=8_000, limits=LIMITS)


@given(st.data())
def test_pcm_channels_are_taken_apart(data: st.DataObject) -> None:
    num_channels = data.draw(st.integers(1, 8))
    num_frames = data.draw(st.integers(1, 40_000))
    channel = data.draw(st.integers(0, num_channels - 1))
    samples = tone(num_frames, num_channels=num_channels)
    np.testing.assert_array_equal(pcm(samples, num_channels=num_channels, channel=channel), samples[:, channel])


@pytest.mark.parametrize(("container", "codec", "tolerance"), WHOLE_FORMATS)
@settings(max_examples=30)
@given(st.data())
def test_a_damaged_file_gives_samples_or_a_named_error(
    container: str, codec: str, tolerance: float | None, data: st.DataObject
) -> None:
    damaged = bytearray(encoded(tone(4_000), container=container, codec=codec))
    for _ in range(data.draw(st.integers(1, 5))):
        # Headers are where damage tells.
        place = data.draw(st.one_of(st.integers(0, 100), st.integers(0, len(damaged) - 1)))
        damaged[place] = data.draw(st.integers(0, 255))
    try:
        waveform = decode_container(bytes(damaged), channel=0, limits=AudioConfig(max_duration_s=60))
    except ServiceError:
        return
    assert np.isfinite(waveform.samples).all()
    assert 0 < waveform.duration_s <= 60
