"""Audio sent as it comes: files, arrays and iterators of chunks as pieces of whole frames. Never imports numpy."""

import os
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from numbers import Integral

from equivox.audio import PCM_ENCODINGS, Container, Pcm, SampleArray, to_pcm
from equivox.stream_file import StreamFile
from equivox.v1 import audio_pb2

SAMPLE_BYTES = {
    audio_pb2.PCM_ENCODING_S16LE: 2,
    audio_pb2.PCM_ENCODING_F32LE: 4,
    audio_pb2.PCM_ENCODING_MULAW: 1,
    audio_pb2.PCM_ENCODING_ALAW: 1,
}
MAX_UINT32 = 2**32 - 1
MAX_CHUNK_S = 2.0
"""Longest piece of audio one message of a stream may carry."""


class Control(Enum):
    """What an iterator of chunks may yield beside audio."""

    FLUSH = "flush"
    KEEP_ALIVE = "keep_alive"


FLUSH, KEEP_ALIVE = Control.FLUSH, Control.KEEP_ALIVE
Chunk = bytes | SampleArray | Control


@dataclass(frozen=True, slots=True, kw_only=True)
class PcmStream:
    """Bare samples as they come: bytes of any length in `encoding` (s16le, f32le, mulaw, alaw), or numpy arrays (N,) or
    (N, num_channels), int16 for s16le and float32 or float64 for f32le. `FLUSH` closes open turns.
    While no chunk comes the client keeps the stream open by itself, as `KEEP_ALIVE` does. An async iterable is for
    AsyncClient.
    """

    chunks: Iterable[Chunk] | AsyncIterable[Chunk]
    sample_rate_hz: int
    encoding: str = "s16le"
    num_channels: int = 1
    channel: int | None = None


StreamLike = str | os.PathLike[str] | bytes | Pcm | Container | PcmStream | tuple[SampleArray, int]
"""A path, the bytes of a file, `Pcm`, `Container`, `PcmStream`, or (numpy array, sample rate in Hz)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSource:
    """Pieces of bytes, and what they are. ValueError for numbers that no message can carry."""

    pieces: Iterable[bytes | Control] | AsyncIterable[bytes | Control]
    encoding: audio_pb2.PcmEncoding
    sample_rate_hz: int
    num_channels: int
    channel: int | None

    def __post_init__(self) -> None:
        _check_whole("sample_rate_hz", self.sample_rate_hz, least=1)
        _check_whole("num_channels", self.num_channels, least=1)
        if self.channel is not None:
            _check_whole("channel", self.channel, least=0)

    @property
    def frame_bytes(self) -> int:
        return SAMPLE_BYTES[self.encoding] * self.num_channels

    @property
    def bytes_per_s(self) -> int:
        return self.frame_bytes * self.sample_rate_hz


def to_source(audio: StreamLike) -> StreamSource:
    """Opens files. Raises OSError, ValueError for what cannot be streamed, TypeError for other types."""
    match audio:
        case PcmStream():
            return _of_stream(audio)
        case Pcm():
            return _of_pcm(audio)
        case Container():
            file = StreamFile(audio.source, declared_sample_rate_hz=audio.declared_sample_rate_hz)
            return _of_file(file, channel=audio.channel)
        case (samples, Integral() as sample_rate_hz):
            return _of_pcm(Pcm(samples, int(sample_rate_hz)))
        case str() | os.PathLike() | bytes() | bytearray() | memoryview():
            return _of_file(StreamFile(bytes(audio) if isinstance(audio, bytearray | memoryview) else audio))
    raise TypeError(
        "audio must be a path, the bytes of a file, Pcm, Container, PcmStream or (numpy array, sample_rate_hz), got "
        f"{type(audio).__name__}; an iterator of chunks needs its rate: PcmStream(chunks=.., sample_rate_hz=16000)"
    )


def cut(pieces: Iterable[bytes | Control], *, frame_bytes: int, max_bytes: int) -> Iterator[bytes | Control]:
    """Pieces of any length -> of whole frames, `max_bytes` at most. What came whole is handed on at once."""
    rest = b""
    for piece in pieces:
        if isinstance(piece, Control):
            yield piece
            continue
        data = rest + piece
        whole = len(data) - len(data) % frame_bytes
        for start in range(0, whole, max_bytes):
            yield data[start : min(start + max_bytes, whole)]
        rest = data[whole:]
    if rest:
        yield rest  # half a sample: not the client's to drop, the server ends the stream well and says so


def _of_stream(stream: PcmStream) -> StreamSource:
    if stream.encoding not in PCM_ENCODINGS:
        raise ValueError(f"encoding must be one of {', '.join(PCM_ENCODINGS)}, got {stream.encoding!r}")
    wanted = PCM_ENCODINGS[stream.encoding]

    def to_bytes(chunk: Chunk) -> bytes | Control:
        if isinstance(chunk, Control):
            return chunk
        if isinstance(chunk, bytes | bytearray | memoryview):
            return bytes(chunk)
        return _checked(to_pcm(Pcm(chunk, stream.sample_rate_hz)), wanted, stream)

    return StreamSource(
        pieces=_mapped(to_bytes, stream.chunks),
        encoding=wanted,
        sample_rate_hz=stream.sample_rate_hz,
        num_channels=stream.num_channels,
        channel=stream.channel,
    )


def _check_whole(name: str, value: object, *, least: int) -> None:
    if not isinstance(value, Integral) or not least <= int(value) <= MAX_UINT32:
        raise ValueError(f"{name} must be a whole number from {least} to {MAX_UINT32}, got {value!r}")


def _checked(pcm: audio_pb2.PcmAudio, wanted: audio_pb2.PcmEncoding, stream: PcmStream) -> bytes:
    if pcm.encoding != wanted:
        raise TypeError(
            f"a chunk is not {stream.encoding}, as the stream is said to be: int16 is s16le, floats are f32le"
        )
    if pcm.num_channels != stream.num_channels:
        raise ValueError(
            f"a chunk has {pcm.num_channels} channels, but the stream is said to have {stream.num_channels}: "
            f"pass PcmStream(num_channels={pcm.num_channels}), or arrays (N, {stream.num_channels})"
        )
    return bytes(pcm.samples)


def _mapped(
    to_bytes: Callable[[Chunk], bytes | Control], chunks: Iterable[Chunk] | AsyncIterable[Chunk]
) -> Iterable[bytes | Control] | AsyncIterable[bytes | Control]:
    if isinstance(chunks, AsyncIterable):
        return _mapped_on_loop(to_bytes, chunks)
    return (to_bytes(chunk) for chunk in chunks)


async def _mapped_on_loop(
    to_bytes: Callable[[Chunk], bytes | Control], chunks: AsyncIterable[Chunk]
) -> AsyncGenerator[bytes | Control]:
    iterator = aiter(chunks)
    try:
        async for chunk in iterator:
            yield to_bytes(chunk)
    finally:
        await end(iterator)


async def end(iterator: AsyncIterator[object]) -> None:
    """Lets a generator clean up now; left alone it would when it is collected. Other iterators cannot be ended."""
    if isinstance(iterator, AsyncGenerator):
        await iterator.aclose()


def _of_pcm(pcm: Pcm) -> StreamSource:
    message = to_pcm(pcm)
    if not message.samples:
        raise ValueError("the audio is empty: send at least one sample")
    return StreamSource(
        pieces=[message.samples],
        encoding=message.encoding,
        sample_rate_hz=message.sample_rate_hz,
        num_channels=message.num_channels,
        channel=pcm.channel,
    )


def _of_file(file: StreamFile, *, channel: int | None = None) -> StreamSource:
    return StreamSource(
        pieces=file.pieces(),
        encoding=file.encoding,
        sample_rate_hz=file.sample_rate_hz,
        num_channels=file.num_channels,
        channel=channel,
    )
