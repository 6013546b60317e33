"""Chunks of a live stream: any cut between frames gives the same samples, and the same as the whole decoded at once."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.audio.chunks import MAX_CHUNK_S, ChunkDecoder
from svc.audio.decode import decode_pcm
from svc.audio.pcm import PcmEncoding
from svc.config import AudioConfig
from svc.errors import AudioFormatError, AudioNotFiniteError, AudioTooLongError, AudioTruncatedError, ServiceError

RATE_HZ = 8_000
NUM_FRAMES = 64


@given(
    encoding=st.sampled_from([PcmEncoding.S16LE, PcmEncoding.MULAW, PcmEncoding.ALAW]),
    num_channels=st.integers(1, 3),
    cuts=st.sets(st.integers(1, NUM_FRAMES - 1)),
    seed=st.integers(0, 99),
)
def test_chunks_together_are_the_whole(encoding: PcmEncoding, num_channels: int, cuts: set[int], seed: int) -> None:
    frame_bytes = encoding.sample_bytes * num_channels
    data = np.random.default_rng(seed).bytes(NUM_FRAMES * frame_bytes)
    how = {"encoding": encoding, "sample_rate_hz": RATE_HZ, "num_channels": num_channels, "channel": num_channels - 1}
    decoder = ChunkDecoder(**how)  # type: ignore[arg-type]
    edges = [0, *sorted(cuts), NUM_FRAMES]
    pieces = [decoder.decode(data[start * frame_bytes : end * frame_bytes]) for start, end in pairwise(edges)]
    whole = decode_pcm(data, **how, limits=AudioConfig())  # type: ignore[arg-type]
    np.testing.assert_array_equal(np.concatenate(pieces), whole.samples)
    assert decoder.num_decoded == NUM_FRAMES


def floats(*values: float) -> bytes:
    return np.array(values, "<f4").tobytes()


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (floats(0, np.nan), AudioNotFiniteError, "sample 3 "),
        (floats(0, np.inf), AudioNotFiniteError, "finite"),
        (floats(0, 32_000), AudioFormatError, "32768"),
        (b"\0" * 6, AudioTruncatedError, "frames of 4 bytes"),
        (bytes(4 * (int(MAX_CHUNK_S * RATE_HZ) + 1)), AudioTooLongError, "split it"),
    ],
)
def test_a_bad_chunk_is_named_and_as_if_never_sent(data: bytes, error: type[ServiceError], says: str) -> None:
    decoder = ChunkDecoder(encoding=PcmEncoding.F32LE, sample_rate_hz=RATE_HZ)
    decoder.decode(floats(0.1, 0.2))
    with pytest.raises(error, match=says) as caught:
        decoder.decode(data)
    assert (caught.value.field, decoder.num_decoded) == ("audio", 2)
    assert len(decoder.decode(floats(0.5))) == 1


def test_two_seconds_are_not_too_long() -> None:
    decoder = ChunkDecoder(encoding=PcmEncoding.S16LE, sample_rate_hz=48_000, num_channels=2, channel=0)
    assert len(decoder.decode(bytes(round(MAX_CHUNK_S * decoder.bytes_per_s)))) == 96_000
