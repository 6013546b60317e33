"""Audio sent as it comes: files, arrays and iterators of chunks as pieces of whole frames. Never imports numpy."""

import io
import os
import wave
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import Enum
from numbers import Integral
from typing import IO, Any

from equivox.audio import PCM_ENCODINGS, Container, Pcm, SampleArray, to_pcm
from equivox.v1 import audio_pb2

SAMPLE_BYTES = {
    audio_pb2.PCM_ENCODING_S16LE: 2,
    audio_pb2.PCM_ENCODING_F32LE: 4,
    audio_pb2.PCM_ENCODING_MULAW: 1,
    audio_pb2.PCM_ENCODING_ALAW: 1,
}
READ_FRAMES = 8192
UNKNOWN_BYTES = 2**31 - 2**16
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
    (N, channels), int16 for s16le and float32 or float64 for f32le. `FLUSH` closes open turns.
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
    """Pieces of bytes, and what they are."""

    pieces: Iterable[bytes | Control] | AsyncIterable[bytes | Control]
    encoding: audio_pb2.PcmEncoding
    sample_rate_hz: int
    num_channels: int
    channel: int | None

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
            return _of_file(audio.source, channel=audio.channel)
        case (samples, Integral() as sample_rate_hz):
            return _of_pcm(Pcm(samples, int(sample_rate_hz)))
        case str() | os.PathLike() | bytes() | bytearray() | memoryview():
            return _of_file(bytes(audio) if isinstance(audio, bytearray | memoryview) else audio)
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
        return _checked(to_pcm(Pcm(chunk, stream.sample_rate_hz)), wanted, stream.encoding)

    return StreamSource(
        pieces=_mapped(to_bytes, stream.chunks),
        encoding=wanted,
        sample_rate_hz=stream.sample_rate_hz,
        num_channels=stream.num_channels,
        channel=stream.channel,
    )


def _checked(pcm: audio_pb2.PcmAudio, wanted: audio_pb2.PcmEncoding, name: str) -> bytes:
    if pcm.encoding != wanted:
        raise TypeError(f"a chunk is not {name}, as the stream is said to be: int16 is s16le, floats are f32le")
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
    return StreamSource(
        pieces=[message.samples],
        encoding=message.encoding,
        sample_rate_hz=message.sample_rate_hz,
        num_channels=message.num_channels,
        channel=pcm.channel,
    )


def _of_file(source: "str | os.PathLike[str] | bytes", *, channel: int | None = None) -> StreamSource:
    with _opened(source) as recording:
        return StreamSource(
            pieces=_read(source),
            encoding=recording.encoding,
            sample_rate_hz=recording.sample_rate_hz,
            num_channels=recording.num_channels,
            channel=channel,
        )


def _read(source: "str | os.PathLike[str] | bytes") -> Iterator[bytes]:
    with _opened(source) as recording:
        while piece := recording.read(READ_FRAMES):
            yield piece


@dataclass(frozen=True, slots=True)
class _Recording:
    """An open file: so many frames -> their bytes in `encoding`."""

    read: Callable[[int], bytes]
    sample_rate_hz: int
    num_channels: int
    encoding: audio_pb2.PcmEncoding = audio_pb2.PCM_ENCODING_S16LE


@contextmanager
def _opened(source: "str | os.PathLike[str] | bytes") -> Iterator[_Recording]:
    with ExitStack() as stack:
        file: IO[bytes] = io.BytesIO(source) if isinstance(source, bytes) else stack.enter_context(open(source, "rb"))
        if reader := _plain_wave(file):
            stack.enter_context(reader)
            yield _Recording(reader.readframes, reader.getframerate(), reader.getnchannels())
            return
        file.seek(0)
        sound = stack.enter_context(_soundfile(file))
        # As 16 bits libsndfile would cut floats to 0 and 1.
        is_float = sound.subtype in ("FLOAT", "DOUBLE")
        yield _Recording(
            lambda frames: bytes(sound.buffer_read(frames, dtype="float32" if is_float else "int16")),
            sound.samplerate,
            sound.channels,
            audio_pb2.PCM_ENCODING_F32LE if is_float else audio_pb2.PCM_ENCODING_S16LE,
        )


def _plain_wave(file: IO[bytes]) -> wave.Wave_read | None:
    """A reader of 16-bit PCM; None for any other file. Raises ValueError when samples are missing at its end."""
    try:
        reader: wave.Wave_read = wave.open(file)  # noqa: SIM115 - the caller closes it
    except (wave.Error, EOFError):
        return None
    if reader.getsampwidth() == 2:
        _check_whole(file, reader)
        return reader
    reader.close()
    return None


def _check_whole(file: IO[bytes], reader: wave.Wave_read) -> None:
    start = file.tell()
    there, promised = file.seek(0, os.SEEK_END) - start, reader.getnframes() * reader.getnchannels() * 2
    file.seek(start)
    # Whoever wrote to a pipe could not know the size, and promised the most a header can.
    if there < promised < UNKNOWN_BYTES:
        raise ValueError(
            f"the file is cut off: its header promises {promised} bytes of samples, {there} are there; send it whole"
        )


def _soundfile(file: IO[bytes]) -> Any:  # noqa: ANN401 - published without types
    try:
        import soundfile  # optional: the client alone needs none
    except ImportError:
        raise ValueError(
            "only WAV of 16 bits can be streamed by itself: pip install soundfile for other files, or pass Pcm"
        ) from None
    try:
        return soundfile.SoundFile(file)
    except (soundfile.LibsndfileError, RuntimeError, TypeError) as error:
        raise ValueError("not a WAV, FLAC, OGG or MP3 file, or a broken one: convert it, or pass Pcm") from error
