"""A file to be streamed: whole, or refused as the server refuses such a file; then its samples in pieces."""

import io
import os
import wave
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from typing import IO, Any

from equivox.v1 import audio_pb2
from equivox_files.containers import (
    Container,
    broken_off,
    check_declared_rate,
    check_read_to_end,
    check_whole,
    container_of,
    promised_frames,
)
from equivox_files.errors import AudioFileError
from equivox_files.mp3 import Contents, with_true_length

FileLike = str | os.PathLike[str] | bytes
READ_FRAMES = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recording:
    """An open file. `read`: so many frames -> their bytes in `encoding`; RuntimeError where it cannot be decoded."""

    read: Callable[[int], bytes]
    frame_bytes: int
    sample_rate_hz: int
    num_channels: int
    promised_frames: int | None
    encoding: audio_pb2.PcmEncoding = audio_pb2.PCM_ENCODING_S16LE
    is_opus: bool = False


class StreamFile:
    """A WAV, FLAC, OGG or MP3 file, by path or as bytes, that says of itself that it is whole.

    Raises OSError, and AudioFileError with the file's name for one that is none of these, cut off, or of another sample
    rate than declared (0 = not declared).
    """

    def __init__(self, source: FileLike, *, declared_sample_rate_hz: int = 0) -> None:
        self._source = source
        with self._naming(), _contents(source) as data:
            self._container = container_of(data)
            check_whole(data, self._container)
            self._playable = _playable(source, data, self._container)
            with self._opened() as recording:
                check_declared_rate(
                    declared_sample_rate_hz or None,
                    data,
                    decoded_hz=recording.sample_rate_hz,
                    is_opus=recording.is_opus,
                )
                self.encoding, self.num_channels = recording.encoding, recording.num_channels
                self.sample_rate_hz = recording.sample_rate_hz

    def pieces(self) -> Iterator[bytes]:
        """All samples. Raises OSError, and AudioFileError where the file breaks off after all, or holds none."""
        with self._naming(), self._opened() as recording:
            num_read, promised = 0, recording.promised_frames
            try:
                while piece := recording.read(READ_FRAMES):
                    num_read += len(piece) // recording.frame_bytes
                    yield piece
            except RuntimeError as error:
                raise broken_off(num_read, promised, recording.sample_rate_hz) from error
            check_read_to_end(num_read, promised, recording.sample_rate_hz)

    @contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
        except AudioFileError as error:
            if isinstance(self._source, bytes):
                raise
            raise type(error)(f"{os.fspath(self._source)}: {error}") from error

    @contextmanager
    def _opened(self) -> Iterator[_Recording]:
        with ExitStack() as stack:
            playable = self._playable
            file: IO[bytes] = (
                stack.enter_context(open(playable, "rb"))
                if isinstance(playable, str | os.PathLike)
                else io.BytesIO(playable)
            )
            if reader := _plain_wave(file):
                yield _of_wave(stack.enter_context(reader))
                return
            file.seek(0)
            yield _of_sound(stack.enter_context(_soundfile(file)), self._container)


@contextmanager
def _contents(source: FileLike) -> Iterator[Contents]:
    """The file's bytes, which are not read before they are looked at."""
    if isinstance(source, bytes):
        yield source
        return
    with open(source, "rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            yield b""  # cannot be mapped
            return
        with mmap(file.fileno(), 0, access=ACCESS_READ) as mapped:
            yield mapped


def _playable(source: FileLike, data: Contents, container: Container) -> FileLike:
    """The source, or where its header does not tell its end what decoders play to the end."""
    if container is not Container.MP3 or (mended := with_true_length(data)) is data:
        return source
    return bytes(mended)


def _of_wave(reader: wave.Wave_read) -> _Recording:
    """16-bit PCM, which was found whole, or whose writer could not tell its length."""
    return _Recording(
        read=reader.readframes,
        frame_bytes=2 * reader.getnchannels(),
        sample_rate_hz=reader.getframerate(),
        num_channels=reader.getnchannels(),
        promised_frames=None,
    )


def _of_sound(sound: Any, container: Container) -> _Recording:  # noqa: ANN401 - published without types
    # As 16 bits libsndfile would cut floats to 0 and 1.
    is_float = sound.subtype in ("FLOAT", "DOUBLE")
    frame_bytes = (4 if is_float else 2) * sound.channels
    # Read from front to back only: soundfile would else seek after every block, and believe headers about the end.
    sound.seekable = lambda: False

    def read(num_frames: int) -> bytes:
        # No view of a buffer: left in the frames of an error it crashes Python's garbage collector before 3.12.4.
        some = bytearray(num_frames * frame_bytes)
        num_read = sound.buffer_read_into(some, dtype="float32" if is_float else "int16")
        return bytes(some[: num_read * frame_bytes])

    return _Recording(
        read=read,
        frame_bytes=frame_bytes,
        sample_rate_hz=sound.samplerate,
        num_channels=sound.channels,
        promised_frames=promised_frames(container, sound.frames),
        encoding=audio_pb2.PCM_ENCODING_F32LE if is_float else audio_pb2.PCM_ENCODING_S16LE,
        is_opus=sound.subtype == "OPUS",
    )


def _plain_wave(file: IO[bytes]) -> wave.Wave_read | None:
    """A reader of 16-bit PCM; None for any other file."""
    try:
        reader: wave.Wave_read = wave.open(file)  # noqa: SIM115 - the caller closes it
    except (wave.Error, EOFError):
        return None
    if reader.getsampwidth() == 2:
        return reader
    reader.close()
    return None


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
        raise AudioFileError("not a WAV, FLAC, OGG or MP3 file, or a broken one: convert it, or pass Pcm") from error
