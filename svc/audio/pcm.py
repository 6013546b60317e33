"""Bare PCM samples without a header: 16-bit, float, and the two G.711 telephone codes."""

from enum import Enum

import numpy as np
import numpy.typing as npt

from svc.types import FloatArray

SIGN, SEGMENT, STEP = 0x80, 0x70, 0x0F
FULL_SCALE = 32768.0


class PcmEncoding(Enum):
    """How one sample is stored; the value is its numpy type, little-endian."""

    S16LE = "<i2"
    F32LE = "<f4"
    MULAW = "mulaw"
    ALAW = "alaw"

    @property
    def sample_bytes(self) -> int:
        return 1 if self in TABLES else np.dtype(self.value).itemsize


def samples_of(data: bytes, encoding: PcmEncoding) -> FloatArray:
    """Whole samples -> (N,) float32, full scale +-1."""
    if encoding in TABLES:
        return TABLES[encoding][np.frombuffer(data, np.uint8)]
    stored = np.frombuffer(data, encoding.value)
    if encoding is PcmEncoding.S16LE:
        return stored.astype(np.float32) / np.float32(FULL_SCALE)
    return stored.astype(np.float32, copy=False)


def mulaw_table() -> FloatArray:
    """(256,) amplitude of each mu-law code (ITU-T G.711, table 2): inverted bits, a bias of 33 quarter steps."""
    code = ~np.arange(256) & 0xFF
    magnitude = (((code & STEP) << 3) + 0x84 << _segment(code)) - 0x84
    return _scaled(np.where(code & SIGN, -magnitude, magnitude))


def alaw_table() -> FloatArray:
    """(256,) amplitude of each A-law code (ITU-T G.711, table 1): even bits inverted, the lowest segment linear."""
    code = np.arange(256) ^ 0x55
    segment = _segment(code)
    mantissa = ((code & STEP) << 4) + 8
    magnitude = np.where(segment == 0, mantissa, mantissa + 0x100 << np.maximum(segment - 1, 0))
    return _scaled(np.where(code & SIGN, magnitude, -magnitude))


def _segment(code: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return (code & SEGMENT) >> 4


def _scaled(amplitudes: npt.NDArray[np.int64]) -> FloatArray:
    return (amplitudes / FULL_SCALE).astype(np.float32)


TABLES = {PcmEncoding.MULAW: mulaw_table(), PcmEncoding.ALAW: alaw_table()}
