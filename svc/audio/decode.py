"""A caller's bytes to one channel of samples, with every limit held while decoding. Never ffmpeg, never a file.

Raises only classes of `svc.errors`; each error names the field of the request's Audio message at fault.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import soundfile

from equivox_files.containers import (
    Container,
    broken_off,
    check_declared_rate,
    check_read_to_end,
    check_whole,
    container_of,
    promised_frames,
)
from equivox_files.errors import AudioFileError, CutOffError, DeclaredRateError, EmptyFileError
from equivox_files.mp3 import Contents, with_true_length
from svc.audio.collector import SampleCollector
from svc.audio.pcm import PcmEncoding as PcmEncoding
from svc.audio.pcm import samples_of
from svc.config import AudioConfig
from svc.errors import (
    AudioFormatError,
    AudioMissingError,
    AudioTooLongError,
    AudioTruncatedError,
    ChannelError,
    RateMismatchError,
    RateUnsupportedError,
    ServiceError,
)
from svc.types import Waveform

MIN_RATE_HZ, MAX_RATE_HZ = 8_000, 48_000
MAX_CHANNELS = 8
BLOCK_FRAMES = 1 << 14
# What a file says of itself that is wrong, as the service's error and the field at fault.
FILE_ERRORS: dict[type[AudioFileError], tuple[type[ServiceError], str]] = {
    AudioFileError: (AudioFormatError, "container"),
    CutOffError: (AudioTruncatedError, "container"),
    EmptyFileError: (AudioMissingError, "container"),
    DeclaredRateError: (RateMismatchError, "declared_sample_rate_hz"),
}


def decode_container(
    data: bytes, *, declared_rate_hz: int | None = None, channel: int | None = None, limits: AudioConfig
) -> Waveform:
    """A WAV, FLAC, OGG (Vorbis, Opus) or MP3 file -> one channel at the file's own rate.

    Recordings longer than ten minutes above 16 kHz come at 16 kHz (see `svc.audio.collector`).
    """
    _check_bytes(len(data), limits, field="container")
    with _as_service_errors():
        container = container_of(data)
        check_whole(data, container)
        playable = with_true_length(data) if container is Container.MP3 else data
    with _open(playable) as file, _as_service_errors():
        check_rate(file.samplerate, field="container")
        check_declared_rate(declared_rate_hz, data, decoded_hz=file.samplerate, is_opus=file.subtype == "OPUS")
        return _decode(file, chosen_channel(file.channels, channel), container=container, limits=limits)


def decode_pcm(
    data: bytes,
    *,
    encoding: PcmEncoding,
    sample_rate_hz: int,
    num_channels: int = 1,
    channel: int | None = None,
    limits: AudioConfig,
) -> Waveform:
    """Interleaved samples without a header -> one channel."""
    _check_bytes(len(data), limits, field="pcm.samples")
    check_rate(sample_rate_hz, field="pcm.sample_rate_hz")
    chosen = chosen_channel(num_channels, channel, field="pcm.num_channels")
    frame_bytes = encoding.sample_bytes * num_channels
    if len(data) % frame_bytes:
        raise AudioTruncatedError(
            f"{len(data)} bytes are no whole number of frames of {frame_bytes} bytes: check encoding and num_channels",
            field="pcm.samples",
        )
    num_frames = len(data) // frame_bytes
    collector = SampleCollector(sample_rate_hz, limits=limits, field="pcm.samples", promised_samples=num_frames)
    for start in range(0, len(data), BLOCK_FRAMES * frame_bytes):
        # Copied: a view left in the frames of an error crashes Python's garbage collector before 3.12.4.
        block = samples_of(data[start : start + BLOCK_FRAMES * frame_bytes], encoding)
        collector.add(block[chosen::num_channels])
    return collector.finish()


@contextmanager
def _as_service_errors() -> Iterator[None]:
    try:
        yield
    except AudioFileError as error:
        kind, field = FILE_ERRORS[type(error)]
        raise kind(str(error), field=field) from error


class _BlockFile(soundfile.SoundFile):  # type: ignore[misc]
    """Read from front to back only: soundfile would else seek after every block, which MP3 and Vorbis do slowly, and
    would believe the header about where the audio ends."""

    def seekable(self) -> bool:
        return False


def _open(data: Contents) -> _BlockFile:
    try:
        return _BlockFile(io.BytesIO(data))
    except (soundfile.LibsndfileError, RuntimeError, TypeError) as error:
        # Without the prefix, which is the address of a Python object.
        what = getattr(error, "error_string", str(error)).rstrip(".")
        raise AudioFormatError(f"the file is broken ({what}): record or convert it anew", field="container") from error


def _decode(file: _BlockFile, channel: int, *, container: Container, limits: AudioConfig) -> Waveform:
    promised = promised_frames(container, file.frames)
    collector = SampleCollector(file.samplerate, limits=limits, field="container", promised_samples=promised)
    block = np.empty((BLOCK_FRAMES, file.channels), np.float32)  # (F, C)
    try:
        while len(frames := file.read(out=block)):
            collector.add(frames[:, channel])
    except soundfile.LibsndfileError as error:
        raise broken_off(collector.num_received, promised, file.samplerate) from error
    check_read_to_end(collector.num_received, promised, file.samplerate)
    return collector.finish()


def _check_bytes(num_bytes: int, limits: AudioConfig, *, field: str) -> None:
    if num_bytes == 0:
        raise AudioMissingError("the audio is empty: send at least one sample", field=field)
    if num_bytes > limits.max_bytes:
        raise AudioTooLongError(
            f"{num_bytes} bytes are more than {limits.max_bytes}, the most one request may carry: split it", field=field
        )


def check_rate(rate_hz: int, *, field: str) -> None:
    """Raises RateUnsupportedError."""
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise RateUnsupportedError(
            f"sample rate must be {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz, got {rate_hz}: resample the audio", field=field
        )


def chosen_channel(num_channels: int, channel: int | None, *, field: str = "container") -> int:
    """The channel to read of an interleaved signal; None is right only for mono. Raises ChannelError."""
    if not 1 <= num_channels <= MAX_CHANNELS:
        raise ChannelError(f"the audio must have 1 to {MAX_CHANNELS} channels, got {num_channels}", field=field)
    if channel is None and num_channels > 1:
        raise ChannelError(
            f"the audio has {num_channels} channels: set channel to one of 0..{num_channels - 1}", field="channel"
        )
    if channel is not None and not 0 <= channel < num_channels:
        raise ChannelError(f"no channel {channel}: the audio has {num_channels}, counted from 0", field="channel")
    return channel or 0
