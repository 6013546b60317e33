"""THE front end against the two references the published models were trained with."""

from pathlib import Path

import kaldi_native_fbank
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchaudio.compliance import kaldi

from svc.audio.filterbank import BLOCK_FRAMES, Filterbank, FilterbankConfig, StreamingFilterbank
from svc.audio.resample import resample
from svc.types import FloatArray
from training.data.audio_files import load_waveform

RNG = np.random.default_rng(0)
NOISE = (0.1 * RNG.standard_normal(40_000)).astype(np.float32)
SIGNALS = {
    "noise": NOISE,
    "loud": np.clip(NOISE * 10, -1, 1),
    "quiet": NOISE * 1e-3,
    "offset": NOISE + np.float32(0.3),
    "tone": np.sin(np.arange(40_000) * 0.3).astype(np.float32),
    "silence": np.zeros(40_000, np.float32),
    "noise, then silence": NOISE * (np.arange(40_000) < 15_000),
    "one frame": NOISE[:400],
}


def torchaudio_fbank(samples: FloatArray, config: FilterbankConfig) -> FloatArray:
    """As 3D-Speaker calls it for CAM++, before the mean over time is taken off."""
    frames: FloatArray = kaldi.fbank(
        torch.from_numpy(samples)[None], num_mel_bins=config.num_mels, sample_frequency=config.sample_rate_hz, dither=0
    ).numpy()
    return frames.reshape(-1, config.num_mels)


def native_fbank(samples: FloatArray, config: FilterbankConfig) -> FloatArray:
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.snip_edges = True
    options.frame_opts.samp_freq = config.sample_rate_hz
    options.mel_opts.num_bins = config.num_mels
    fbank = kaldi_native_fbank.OnlineFbank(options)
    fbank.accept_waveform(config.sample_rate_hz, samples.tolist())
    fbank.input_finished()
    return np.array([fbank.get_frame(i) for i in range(fbank.num_frames_ready)]).reshape(-1, config.num_mels)


def assert_equal_where_32_bits_tell(ours: FloatArray, reference: FloatArray) -> None:
    """To 1e-3 in every mel less than 70 dB below the loudest of its frame. Deeper, the rounding of a 32-bit FFT is as
    loud as the signal, and the references differ from each other, and from 64 bits, as much as from us."""
    assert ours.shape == reference.shape
    heard = reference > reference.max(axis=1, keepdims=True, initial=-np.inf) - np.log(1e7)
    np.testing.assert_allclose(ours[heard], reference[heard], atol=1e-3)


REFERENCES = {"torchaudio": torchaudio_fbank, "kaldi-native-fbank": native_fbank}


@pytest.mark.parametrize("reference", list(REFERENCES))
@pytest.mark.parametrize("config", [FilterbankConfig(), FilterbankConfig(sample_rate_hz=8_000, num_mels=40)])
@pytest.mark.parametrize("name", list(SIGNALS))
def test_equals_the_reference(reference: str, config: FilterbankConfig, name: str) -> None:
    samples = SIGNALS[name].astype(np.float32)
    assert_equal_where_32_bits_tell(Filterbank(config)(samples), REFERENCES[reference](samples, config))


@pytest.mark.parametrize("reference", list(REFERENCES))
@pytest.mark.parametrize("corpus", ["saa", "hyke"])
def test_equals_the_reference_on_real_speech(data_root: Path, corpus: str, reference: str) -> None:
    samples = resample(load_waveform(next((data_root / corpus).rglob("*.opus")))).samples
    ours, theirs = Filterbank(FilterbankConfig())(samples), REFERENCES[reference](samples, FilterbankConfig())
    assert_equal_where_32_bits_tell(ours, theirs)
    np.testing.assert_allclose(ours, theirs, atol=5e-3)
    assert np.mean(np.abs(ours - theirs) > 1e-3) < 1e-4


def test_less_than_a_window_makes_no_frame() -> None:
    assert Filterbank(FilterbankConfig())(NOISE[:399]).shape == (0, 80)


@settings(max_examples=50)
@given(st.lists(st.integers(0, 30_000), max_size=30), st.integers(0, 30_000))
def test_streamed_equals_whole(cuts: list[int], num_samples: int) -> None:
    samples = NOISE[:num_samples]
    stream = StreamingFilterbank(FilterbankConfig())
    for _ in range(2):  # the second time shows that flush() forgets
        pieces = [stream.push(piece) for piece in np.split(samples, sorted(cuts))]
        streamed = np.concatenate([*pieces, stream.flush()])
        np.testing.assert_allclose(streamed, Filterbank(FilterbankConfig())(samples), atol=1e-4)


@pytest.mark.parametrize("num_frames", [0, 1, BLOCK_FRAMES - 1, BLOCK_FRAMES, BLOCK_FRAMES + 1])
def test_frames_do_not_depend_on_how_many_there_are(num_frames: int) -> None:
    filterbank = Filterbank(FilterbankConfig())
    some = filterbank(NOISE[: 400 + 160 * (num_frames - 1)])
    assert some.shape == (num_frames, 80)
    np.testing.assert_allclose(some, filterbank(NOISE)[:num_frames], atol=1e-4)


def test_the_input_is_left_alone() -> None:
    samples = NOISE.copy()
    Filterbank(FilterbankConfig())(samples)
    np.testing.assert_array_equal(samples, NOISE)


@pytest.mark.parametrize("wrong", [{"hop_ms": 0.0}, {"hop_ms": 30.0}, {"num_mels": 0}, {"sample_rate_hz": 40}])
def test_a_config_that_makes_no_sense_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="need"):
        FilterbankConfig(**wrong)
