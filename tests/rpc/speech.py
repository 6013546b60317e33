"""Sounds that the tiny models take for people: each voice has pitches of its own."""

import numpy as np

from equivox.v1.audio_pb2 import PCM_ENCODING_F32LE, Audio, PcmAudio
from svc.types import FloatArray

RATE_HZ = 16_000
PITCHES_HZ = {"ann": (300, 900), "ben": (2500, 4100), "cleo": (5200, 7000)}


def voice(name: str, *, seconds: float = 2.0, seed: int = 0) -> FloatArray:
    """(N,) the sound of somebody who pauses a quarter of the time, with a little noise so that no two are equal."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    tones = sum(np.sin(2 * np.pi * pitch * time_s) for pitch in PITCHES_HZ[name])
    talking = time_s % 0.8 < 0.6
    noise = np.random.default_rng(seed).normal(0, 0.002, len(time_s))
    return (0.2 * np.asarray(tones) * talking + noise).astype(np.float32)


def audio_of(samples: FloatArray, rate_hz: int = RATE_HZ) -> Audio:
    """As a message."""
    pcm = PcmAudio(encoding=PCM_ENCODING_F32LE, sample_rate_hz=rate_hz, samples=samples.astype("<f4").tobytes())
    return Audio(pcm=pcm)


def said(name: str, *, seconds: float = 2.0, seed: int = 0) -> Audio:
    """Somebody's clip as a message."""
    return audio_of(voice(name, seconds=seconds, seed=seed))
