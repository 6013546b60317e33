"""What callers may hand in as audio, turned into the contract's Audio message. Never imports numpy."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, Protocol

from equivox.v1 import audio_pb2


class SampleArray(Protocol):
    """What is used of a numpy array, so that the client needs no numpy."""

    @property
    def dtype(self) -> Any: ...  # noqa: ANN401 - numpy's own type

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def astype(self) -> Callable[[str], Any]: ...

    @property
    def tobytes(self) -> Callable[[], bytes]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Pcm:
    """Bare samples: a numpy array (N,) or (N, channels), or raw bytes with their encoding.

    Arrays: int16, or float32 / float64 in +-1. Bytes: `encoding` is s16le, f32le, mulaw or alaw, interleaved,
    `num_channels` of them. `channel` (from 0) chooses one when there are several.
    """

    samples: SampleArray | bytes
    sample_rate_hz: int
    encoding: str = "s16le"
    num_channels: int = 1
    channel: int | None = None


@dataclass(frozen=True, slots=True)
class Container:
    """A WAV, FLAC, OGG or MP3 file, by path or as bytes, with what the caller knows about it.

    A `declared_sample_rate_hz` other than the file's own is an error; `channel` (from 0) chooses one of several.
    """

    source: "str | os.PathLike[str] | bytes"
    declared_sample_rate_hz: int = 0
    channel: int | None = None


AudioLike = str | os.PathLike[str] | bytes | Pcm | Container | tuple[SampleArray, int]
"""A path, the bytes of a file, `Pcm`, `Container`, or (numpy array, sample rate in Hz)."""

PCM_ENCODINGS = {
    "s16le": audio_pb2.PCM_ENCODING_S16LE,
    "f32le": audio_pb2.PCM_ENCODING_F32LE,
    "mulaw": audio_pb2.PCM_ENCODING_MULAW,
    "alaw": audio_pb2.PCM_ENCODING_ALAW,
}
# numpy's kind and size of a sample -> how it travels; little-endian whatever the machine.
ARRAY_ENCODINGS = {
    ("i", 2): ("<i2", audio_pb2.PCM_ENCODING_S16LE),
    ("f", 4): ("<f4", audio_pb2.PCM_ENCODING_F32LE),
    ("f", 8): ("<f4", audio_pb2.PCM_ENCODING_F32LE),
}


def to_audio(audio: AudioLike) -> audio_pb2.Audio:
    """The message for `audio`. Reads the file when it is a path. OSError when that fails, TypeError for other types."""
    match audio:
        case Pcm():
            return audio_pb2.Audio(pcm=to_pcm(audio), channel=audio.channel)
        case Container():
            return audio_pb2.Audio(
                container=_contents(audio.source),
                declared_sample_rate_hz=audio.declared_sample_rate_hz,
                channel=audio.channel,
            )
        case (samples, Integral() as sample_rate_hz):  # numpy integers are registered as Integral
            return to_audio(Pcm(samples, int(sample_rate_hz)))
        case str() | os.PathLike() | bytes() | bytearray() | memoryview():
            return audio_pb2.Audio(container=_contents(audio))
    raise TypeError(
        f"audio must be a path, the bytes of a file, Pcm, Container or (numpy array, sample_rate_hz), "
        f"got {type(audio).__name__}; an array needs its rate: (samples, 16000)"
    )


def _contents(source: "str | os.PathLike[str] | bytes | bytearray | memoryview") -> bytes:
    return Path(source).read_bytes() if isinstance(source, str | os.PathLike) else bytes(source)


def to_pcm(pcm: Pcm) -> audio_pb2.PcmAudio:
    """The message for bare samples."""
    if isinstance(pcm.samples, bytes | bytearray | memoryview):
        return _pcm_from_bytes(pcm, bytes(pcm.samples))
    return _pcm_from_array(pcm.samples, pcm.sample_rate_hz)


def _pcm_from_bytes(pcm: Pcm, samples: bytes) -> audio_pb2.PcmAudio:
    if pcm.encoding not in PCM_ENCODINGS:
        raise ValueError(f"encoding must be one of {', '.join(PCM_ENCODINGS)}, got {pcm.encoding!r}")
    return audio_pb2.PcmAudio(
        encoding=PCM_ENCODINGS[pcm.encoding],
        sample_rate_hz=pcm.sample_rate_hz,
        num_channels=pcm.num_channels,
        samples=samples,
    )


def _pcm_from_array(samples: SampleArray, sample_rate_hz: int) -> audio_pb2.PcmAudio:
    if not hasattr(samples, "dtype") or not hasattr(samples, "tobytes"):
        raise TypeError(f"samples must be a numpy array or bytes, got {type(samples).__name__}")
    layout = (samples.dtype.kind, samples.dtype.itemsize)
    if layout not in ARRAY_ENCODINGS:
        raise TypeError(f"samples must be int16, float32 or float64 in +-1, got {samples.dtype}")
    if len(samples.shape) not in (1, 2):
        raise ValueError(f"samples must have shape (N,) or (N, channels), got {samples.shape}")
    little_endian, encoding = ARRAY_ENCODINGS[layout]
    return audio_pb2.PcmAudio(
        encoding=encoding,
        sample_rate_hz=sample_rate_hz,
        # Rows are frames: a C-ordered (N, channels) array is interleaved as it stands.
        num_channels=samples.shape[1] if len(samples.shape) == 2 else 1,
        samples=samples.astype(little_endian).tobytes(),
    )
