"""PCM codes against libsndfile, which decodes the same bytes as headerless files."""

import io

import numpy as np
import pytest
import soundfile

from svc.audio.pcm import PcmEncoding, samples_of

SUBTYPES = {PcmEncoding.MULAW: "ULAW", PcmEncoding.ALAW: "ALAW", PcmEncoding.S16LE: "PCM_16"}


@pytest.mark.parametrize("encoding", list(SUBTYPES))
def test_every_code_means_what_libsndfile_says(encoding: PcmEncoding) -> None:
    data = bytes(range(256)) if encoding.sample_bytes == 1 else np.arange(-32768, 32768).astype("<i2").tobytes()
    expected, _ = soundfile.read(
        io.BytesIO(data),
        format="RAW",
        subtype=SUBTYPES[encoding],
        channels=1,
        samplerate=8_000,
        dtype="float32",
        endian="LITTLE",
    )
    np.testing.assert_array_equal(samples_of(data, encoding), expected)


def test_floats_stay_as_they_are() -> None:
    samples = np.linspace(-1, 1, 7, dtype=np.float32)
    np.testing.assert_array_equal(samples_of(samples.astype("<f4").tobytes(), PcmEncoding.F32LE), samples)


@pytest.mark.parametrize(("encoding", "num_bytes"), list(zip(PcmEncoding, [2, 4, 1, 1], strict=True)))
def test_a_sample_takes_as_many_bytes_as_its_encoding_says(encoding: PcmEncoding, num_bytes: int) -> None:
    assert encoding.sample_bytes == num_bytes
