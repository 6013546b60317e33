"""Quality against what was mixed in, and bandwidth on real calls and real microphones."""

import random
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import lfilter

from svc.audio.decode import decode_container
from svc.audio.quality import MAX_SNR_DB, MIN_SNR_DB, measure_quality
from svc.audio.resample import resample
from svc.config import AudioConfig
from svc.types import Band, FloatArray, Span, Waveform
from tests.audio.containers import encoded
from training.data.audio_files import load_waveform

RATE_HZ = 16_000
SNRS_DB = [0, 5, 10, 15, 20, 25, 30]


def talk(seed: int, *, with_pauses: bool) -> tuple[FloatArray, list[Span]]:
    """Eight seconds of syllables, coloured as speech is, with or without pauses of 0.4 s between words of 0.8 s."""
    rng = np.random.default_rng(seed)
    coloured = lfilter([1], [1, -0.9], rng.standard_normal(8 * RATE_HZ))
    seconds = np.arange(len(coloured)) / RATE_HZ
    speech = coloured * np.sin(np.pi * 4 * seconds) ** 2  # four syllables a second
    if not with_pauses:
        return speech / speech.std(), [Span(0.0, 8.0)]
    spans = [Span(start, start + 0.8) for start in np.arange(0.2, 7, 1.2)]
    spoken = np.zeros(len(speech), bool)
    for span in spans:
        spoken[round(span.start_s * RATE_HZ) : round(span.end_s * RATE_HZ)] = True
    return speech * spoken / speech[spoken].std(), spans


def snr_measured(seed: int, snr_db: float, *, with_pauses: bool) -> float:
    speech, spans = talk(seed, with_pauses=with_pauses)
    noise = np.random.default_rng(seed + 100).standard_normal(len(speech)) * 10 ** (-snr_db / 20)
    mixed = (0.05 * (speech + noise)).astype(np.float32)
    return measure_quality(Waveform(mixed, RATE_HZ), spans).snr_db


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("with_pauses", [True, False])
def test_snr_is_monotone_and_close_to_what_was_mixed(seed: int, with_pauses: bool) -> None:
    measured = np.array([snr_measured(seed, snr_db, with_pauses=with_pauses) for snr_db in SNRS_DB])
    assert (np.diff(measured) > 0).all()
    # Without pauses the valleys between syllables must do.
    np.testing.assert_allclose(measured, SNRS_DB, atol=1.0 if with_pauses else 4.0)


def test_a_door_in_one_pause_does_not_spoil_the_snr() -> None:
    speech, spans = talk(0, with_pauses=True)
    noisy = speech + 0.03 * np.random.default_rng(1).standard_normal(len(speech))
    clean = measure_quality(Waveform((noisy * 0.05).astype(np.float32), RATE_HZ), spans).snr_db
    noisy[round(1.05 * RATE_HZ) : round(1.25 * RATE_HZ)] += 3
    slammed = measure_quality(Waveform((noisy * 0.05).astype(np.float32), RATE_HZ), spans).snr_db
    assert slammed == pytest.approx(clean, abs=1.0)


def test_muted_pauses_are_not_taken_for_a_silent_room() -> None:
    speech, spans = talk(0, with_pauses=True)
    noise = 0.1 * np.random.default_rng(1).standard_normal(len(speech))
    gated = np.where(speech != 0, speech + noise, 0)
    assert measure_quality(Waveform((gated * 0.05).astype(np.float32), RATE_HZ), spans).snr_db == pytest.approx(
        20, abs=4
    )


@pytest.mark.parametrize("num_samples", [0, 1, 100, 16_000])
def test_silence_has_no_speech_and_no_quality(num_samples: int) -> None:
    quality = measure_quality(Waveform(np.zeros(num_samples, np.float32), RATE_HZ), [])
    assert (quality.net_speech_s, quality.snr_db, quality.clipped_share) == (0.0, MIN_SNR_DB, 0.0)
    assert quality.duration_s == num_samples / RATE_HZ


def test_perfect_silence_around_speech_is_the_best_snr_there_is() -> None:
    speech, spans = talk(0, with_pauses=True)
    assert 25 < measure_quality(Waveform((speech * 0.05).astype(np.float32), RATE_HZ), spans).snr_db <= MAX_SNR_DB


@pytest.mark.parametrize("share", [0.0, 0.01, 0.2])
def test_clipping_is_counted_during_speech(share: float) -> None:
    samples = np.random.default_rng(0).uniform(-0.9, 0.9, 2 * RATE_HZ).astype(np.float32)
    samples[:RATE_HZ][:: round(1 / share) if share else RATE_HZ + 1] = -1.0 if share else 0.5
    quality = measure_quality(Waveform(samples, RATE_HZ), [Span(0.0, 1.0)])
    assert quality.clipped_share == pytest.approx(share, rel=0.01)


def some_clips(root: Path, corpora: list[str], count: int) -> list[Waveform]:
    paths = [path for corpus in corpora for path in sorted((root / corpus).rglob("*.opus"))]
    return [first_seconds(load_waveform(path)) for path in random.Random(0).sample(paths, count)]


def first_seconds(waveform: Waveform, seconds: int = 6) -> Waveform:
    return Waveform(waveform.samples[: seconds * waveform.sample_rate_hz], waveform.sample_rate_hz)


def bands(waveforms: list[Waveform]) -> set[Band]:
    return {measure_quality(w, [Span(0.0, w.duration_s)]).band for w in waveforms}


def test_calls_are_telephone_band_at_any_rate(data_root: Path) -> None:
    calls = some_clips(data_root, ["wuw", "hyke"], 30)
    for rate_hz in (8_000, 16_000, 44_100):
        assert bands([resample(call, rate_hz) for call in calls]) == {Band.TELEPHONE}


@pytest.mark.parametrize(
    ("container", "codec"), [("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("WAV", "PCM_16")]
)
def test_calls_stay_telephone_band_in_a_wide_container(data_root: Path, container: str, codec: str) -> None:
    calls = [resample(call).samples for call in some_clips(data_root, ["hyke"], 5)]
    files = [encoded(samples, container=container, codec=codec) for samples in calls]
    assert bands([decode_container(data, limits=AudioConfig()) for data in files]) == {Band.TELEPHONE}


def test_microphones_are_wide_band_until_cut(data_root: Path) -> None:
    clips = some_clips(data_root, ["saa", "libri"], 20)
    assert bands(clips) == {Band.WIDE}
    assert bands([resample(clip, 48_000) for clip in clips]) == {Band.WIDE}
    assert bands([resample(resample(clip, 8_000)) for clip in clips]) == {Band.TELEPHONE}


def test_a_pause_that_is_speech_nobody_found_does_not_count_as_noise() -> None:
    speech, spans = talk(3, with_pauses=False)
    noise = np.random.default_rng(4).standard_normal(len(speech)) * 10 ** (-20 / 20)
    missed_start = [Span(1.0, spans[0].end_s)]
    assert measure_quality(Waveform((0.05 * (speech + noise)).astype(np.float32), RATE_HZ), missed_start).snr_db > 10


def test_frames_stay_with_the_speech_at_a_rate_of_which_no_whole_number_of_samples_makes_one() -> None:
    """Ten minutes at 11,025 Hz, every other half second silent and clipped where there is speech."""
    rate_hz, seconds = 11_025, 600
    spans = [Span(float(start), start + 0.5) for start in range(seconds)]
    samples = np.zeros(rate_hz * seconds, np.float32)
    for span in spans:
        samples[round(span.start_s * rate_hz) : round(span.end_s * rate_hz)] = 1.0
    assert measure_quality(Waveform(samples, rate_hz), spans).clipped_share > 0.95
