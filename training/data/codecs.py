"""Speech through a lossy codec and back, in memory: what a call over the internet or a voice message does to it."""

from dataclasses import dataclass
from io import BytesIO
from typing import Literal, get_args

import numpy as np
import soundfile

from svc.types import MODEL_RATE_HZ, FloatArray

Codec = Literal["opus", "mp3", "vorbis"]
CODECS: tuple[Codec, ...] = get_args(Codec)
# libsndfile keeps what Vorbis is given at once on the stack, which minutes of sound overflow.
BLOCK_SAMPLES = 30 * MODEL_RATE_HZ
_CONTAINERS = {"opus": ("OGG", "OPUS"), "mp3": ("MP3", "MPEG_LAYER_III"), "vorbis": ("OGG", "VORBIS")}


@dataclass(frozen=True, slots=True)
class Coding:
    """`compression`: 0 = as good as the codec can, 1 = as small (libsndfile's scale, for Opus and MP3 a bit rate)."""

    codec: Codec
    compression: float

    def __post_init__(self) -> None:
        if self.codec not in CODECS or not 0 <= self.compression <= 1:
            raise ValueError(f"need a codec of {', '.join(CODECS)} and 0 <= compression <= 1, got {self}")


def coded(samples: FloatArray, coding: Coding) -> FloatArray:
    """(N,) at 16 kHz -> (N,) as it comes out of the decoder, with what delay the codec leaves."""
    container, subtype = _CONTAINERS[coding.codec]
    file = BytesIO()
    form = {"format": container, "subtype": subtype, "compression_level": coding.compression}
    with soundfile.SoundFile(file, "w", MODEL_RATE_HZ, 1, **form) as encoder:
        for start in range(0, len(samples), BLOCK_SAMPLES):
            encoder.write(samples[start : start + BLOCK_SAMPLES])
    file.seek(0)
    decoded, rate_hz = soundfile.read(file, dtype="float32")
    if rate_hz != MODEL_RATE_HZ:
        raise ValueError(f"{coding.codec} gave {rate_hz} Hz back, not {MODEL_RATE_HZ}")
    kept = decoded[: len(samples)]
    return np.pad(kept, (0, len(samples) - len(kept)))
