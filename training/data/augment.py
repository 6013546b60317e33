"""Degradations of clean speech as recipes: reverberation, noise at a chosen SNR, the telephone band; in that order.

A recipe is drawn once with a seed and applied as often as wanted with the same result, so a trial list needs no audio.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr
from scipy.signal import butter, fftconvolve, sosfilt

from svc.audio.resample import resample
from svc.errors import InvalidRequestError
from svc.types import MODEL_RATE_HZ, FloatArray, Waveform
from training.data.manifest import Clip

TELEPHONE_RATE_HZ = 8_000
TELEPHONE_BAND_HZ = (300.0, 3400.0)
MU = 255.0
ABSORBED_ABOVE_HZ = 2_000.0
# What speed changes keep is speech, not hi-fi: half the time of HQ.
SPEED_QUALITY = "MQ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Degradation:
    """What happens to one side of a trial; empty noise or zero rt60_s = not at all."""

    rt60_s: float = 0.0
    direct_to_reverberant_db: float = 0.0
    noise: str = ""  # path in the corpus
    noise_start_s: float = 0.0
    snr_db: float = 0.0
    telephone: bool = False
    seed: int = 0  # of the room


def draw_degradation(random: np.random.Generator, noises: Sequence[Clip]) -> Degradation:
    """One, two or all of: a room (RT60 0.2 to 0.8 s), noise at 5 to 20 dB, the telephone band; each mix as likely."""
    if not noises:
        raise InvalidRequestError("no noise clips in this split of the manifest: cannot degrade", field="corpus")
    mix = int(random.integers(1, 8))
    in_a_room, in_noise, by_telephone = (bool(mix >> bit & 1) for bit in range(3))
    noise = noises[int(random.integers(len(noises)))]
    return Degradation(
        rt60_s=round(float(random.uniform(0.2, 0.8)), 3) if in_a_room else 0.0,
        direct_to_reverberant_db=round(float(random.uniform(0, 10)), 1) if in_a_room else 0.0,
        seed=int(random.integers(2**31)) if in_a_room else 0,
        noise=noise.path if in_noise else "",
        noise_start_s=round(float(random.uniform(0, noise.duration_s)), 3) if in_noise else 0.0,
        snr_db=round(float(random.uniform(5, 20)), 1) if in_noise else 0.0,
        telephone=by_telephone,
    )


def degrade(speech: Waveform, recipe: Degradation, noise: Waveform | None = None) -> Waveform:
    """Applies a recipe; `noise` is the recording it names. The answer is at 16 kHz, by telephone at 8 kHz."""
    samples = resample(speech, MODEL_RATE_HZ).samples
    if recipe.rt60_s:
        samples = reverberate(samples, room_response(recipe, MODEL_RATE_HZ))
    if recipe.noise:
        if noise is None:
            raise InvalidRequestError(f"the recipe needs the noise {recipe.noise}", field="noise")
        samples = add_noise(samples, noise_for(len(samples), noise, recipe.noise_start_s), recipe.snr_db)
    degraded = Waveform(_within_full_scale(samples), MODEL_RATE_HZ)
    return telephone(degraded) if recipe.telephone else degraded


def room_response(recipe: Degradation, rate_hz: int) -> FloatArray:
    """(rt60 * rate,) direct sound, then noise decaying by 60 dB in rt60_s (Polack's model of late reverberation)."""
    tail = np.random.default_rng(recipe.seed).standard_normal(max(2, round(recipe.rt60_s * rate_hz)))
    # Walls and air swallow the high frequencies: a white tail would sound like noise, not like a room.
    tail = sosfilt(butter(1, ABSORBED_ABOVE_HZ, fs=rate_hz, output="sos"), tail)
    tail *= 10.0 ** (-3 * np.arange(len(tail)) / len(tail))
    tail[: round(0.0025 * rate_hz)] = 0  # the first reflection comes after the direct sound
    tail *= np.sqrt(10 ** (-recipe.direct_to_reverberant_db / 10) / np.sum(tail**2))
    tail[0] = 1.0
    return np.asarray(tail, dtype=np.float32)


def reverberate(samples: FloatArray, response: FloatArray) -> FloatArray:
    """(N,) convolved with a room response, cut to (N,): the tail past the end is lost, as in a real cut."""
    wet: FloatArray = fftconvolve(samples, response)[: len(samples)].astype(np.float32)
    return wet


def noise_for(num_samples: int, noise: Waveform, start_s: float) -> FloatArray:
    """(num_samples,) of a noise recording at 16 kHz from start_s on, without its pauses, looped as often as needed."""
    samples = _without_pauses(resample(noise, MODEL_RATE_HZ).samples)
    return np.resize(np.roll(samples, -round(start_s * MODEL_RATE_HZ)), num_samples)


def add_noise(speech: FloatArray, noise: FloatArray, snr_db: float) -> FloatArray:
    """(N,) + (N,) scaled to `snr_db` below the speech by mean power; silent noise adds nothing."""
    speech_power, noise_power = np.mean(speech**2, dtype=np.float64), np.mean(noise**2, dtype=np.float64)
    if noise_power < 1e-10:
        return speech
    gain = np.sqrt(speech_power / noise_power * 10 ** (-snr_db / 10))
    return np.asarray(speech + gain * noise, dtype=np.float32)


def telephone(waveform: Waveform) -> Waveform:
    """300 to 3400 Hz at 8 kHz, through 8-bit mu-law (G.711 in its continuous form)."""
    narrow = resample(waveform, TELEPHONE_RATE_HZ)
    band = butter(4, TELEPHONE_BAND_HZ, btype="bandpass", fs=TELEPHONE_RATE_HZ, output="sos")
    samples = np.clip(sosfilt(band, narrow.samples), -1, 1)
    compressed = np.sign(samples) * np.log1p(MU * np.abs(samples)) / np.log1p(MU)
    steps = np.round(compressed * 127) / 127
    expanded = np.sign(steps) * np.expm1(np.abs(steps) * np.log1p(MU)) / MU
    return Waveform(expanded.astype(np.float32), TELEPHONE_RATE_HZ)


def at_speed(samples: FloatArray, speed: float) -> FloatArray:
    """(N,) at 16 kHz -> (N / speed,), higher in pitch when faster, as a tape is."""
    if speed == 1:
        return samples
    faster: FloatArray = soxr.resample(samples, round(MODEL_RATE_HZ * speed), MODEL_RATE_HZ, quality=SPEED_QUALITY)
    return faster


def _without_pauses(samples: FloatArray) -> FloatArray:
    # A bark in five seconds of digital silence would else leave most short clips clean, or be scaled without bound.
    frames = samples[: len(samples) // 320 * 320].reshape(-1, 320)
    power = np.mean(frames**2, axis=1)
    loud: FloatArray = frames[power > 1e-4 * power.max(initial=0.0)].ravel()
    return loud if len(loud) else samples


def _within_full_scale(samples: FloatArray) -> FloatArray:
    peak = float(np.max(np.abs(samples), initial=0.0))
    return samples / np.float32(peak / 0.99) if peak > 0.99 else samples
