"""What a container says of itself, read before it is decoded: which it is, and whether it is all there.

libsndfile plays what is left of a cut-off file without a word. So the sizes that headers promise are checked here.
"""

import struct
from collections.abc import Callable, Iterator
from enum import Enum

from svc.audio.mp3 import after_id3, xing_at
from svc.errors import AudioFormatError, AudioTruncatedError

FIELD = "container"
# Sizes that recorders write when they cannot know the end yet (ffmpeg -1, sox 0x7ffff000 and up).
UNKNOWN_SIZE = 0x7FFF_F000
MAX_RIFF_CHUNKS = 1000
OGG_HEADER_BYTES = 27
MAX_OGG_PAGE_BYTES = OGG_HEADER_BYTES + 255 + 255 * 255
OGG_FIRST_PAGE, OGG_LAST_PAGE = 0x02, 0x04


class Container(Enum):
    """The containers the service reads."""

    WAV = "WAV"
    FLAC = "FLAC"
    OGG = "OGG"
    MP3 = "MP3"


def container_of(data: bytes) -> Container:
    """Which container the first bytes announce. Raises AudioFormatError for any other."""
    if data[:4] in (b"RIFF", b"RIFX", b"RF64") and data[8:12] == b"WAVE":
        return Container.WAV
    if data[:4] == b"fLaC":
        return Container.FLAC
    if data[:4] == b"OggS":
        return Container.OGG
    if data[:3] == b"ID3" or (data[:1] == b"\xff" and len(data) > 1 and data[1] & 0xE0 == 0xE0):
        return Container.MP3
    raise AudioFormatError(
        "not a WAV, FLAC, OGG (Vorbis or Opus) or MP3 file: convert it, or send bare samples as pcm", field=FIELD
    )


def check_whole(data: bytes, container: Container) -> None:
    """Raises AudioTruncatedError when the container is shorter than its own headers say, AudioFormatError for several
    OGG files in one.
    """
    if check := CHECKS.get(container):
        check(data)


def opus_input_rate_hz(data: bytes) -> int | None:
    """Rate of the recording before it was encoded, as an Opus header tells it; None for other audio, or if untold."""
    start = data.find(b"OpusHead", 0, MAX_OGG_PAGE_BYTES)
    if start < 0 or len(data) < start + 16:
        return None
    return int.from_bytes(data[start + 12 : start + 16], "little") or None


def _cut_off(what: str) -> AudioTruncatedError:
    return AudioTruncatedError(f"the file is cut off: {what}; send the whole file", field=FIELD)


def _check_wav(data: bytes) -> None:
    order = ">" if data[:4] == b"RIFX" else "<"
    large_size = None
    for name, start, size in _riff_chunks(data, order):
        if name == b"ds64" and size >= 16 and len(data) >= start + 16:
            (large_size,) = struct.unpack_from(f"{order}Q", data, start + 8)
        if name == b"data":
            # RF64 keeps the true size in ds64 and all ones here.
            promised = large_size if size == 0xFFFF_FFFF and large_size is not None else size
            known = promised is large_size or promised < UNKNOWN_SIZE
            if known and promised > len(data) - start:
                raise _cut_off(f"its header promises {promised} bytes of samples, {len(data) - start} are there")
            return
    raise _cut_off("it has a header but no samples")


def _riff_chunks(data: bytes, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and size of each chunk of a RIFF file."""
    position = 12
    for _ in range(MAX_RIFF_CHUNKS):
        if position + 8 > len(data):
            return
        name, size = struct.unpack_from(f"{order}4sI", data, position)
        yield name, position + 8, size
        position += 8 + size + size % 2
    raise AudioFormatError(f"more than {MAX_RIFF_CHUNKS} chunks before the samples: write a plain WAV", field=FIELD)


def _check_ogg(data: bytes) -> None:
    start = _last_ogg_page(data)
    if start is None:
        raise _cut_off("it ends inside a page")
    if not data[start + 5] & OGG_LAST_PAGE:
        raise _cut_off("its last page is missing")
    _check_one_ogg(data)


def _check_one_ogg(data: bytes) -> None:
    """Of files joined end to end decoders play the first; streams side by side all begin before any goes on."""
    gone_on = False
    for start in _ogg_pages(data):
        begins = bool(data[start + 5] & OGG_FIRST_PAGE)
        if begins and gone_on:
            raise AudioFormatError(
                f"another OGG file begins at byte {start}, as in files joined end to end: send each by itself, or "
                "decode and join them into one",
                field=FIELD,
            )
        gone_on = gone_on or not begins


def _ogg_pages(data: bytes) -> Iterator[int]:
    """Where each page starts; what stands between pages is passed over, as decoders do."""
    start = data.find(b"OggS")
    while 0 <= start <= len(data) - OGG_HEADER_BYTES:
        yield start
        start = data.find(b"OggS", start + _ogg_page_bytes(data, start))


def _last_ogg_page(data: bytes) -> int | None:
    """Where the page starts that ends exactly where the data ends."""
    earliest = max(0, len(data) - MAX_OGG_PAGE_BYTES)
    start = data.rfind(b"OggS", earliest)
    while start >= 0:
        if start + OGG_HEADER_BYTES <= len(data) and start + _ogg_page_bytes(data, start) == len(data):
            return start
        # The four letters may also occur inside a page.
        start = data.rfind(b"OggS", earliest, start)
    return None


def _ogg_page_bytes(data: bytes, start: int) -> int:
    num_segments = data[start + 26]
    segments = data[start + OGG_HEADER_BYTES : start + OGG_HEADER_BYTES + num_segments]
    return OGG_HEADER_BYTES + num_segments + sum(segments)


def _check_mp3(data: bytes) -> None:
    """Only encoders that write a Xing header tell the size; any other MP3 may be cut without a trace."""
    start = after_id3(data, 0)
    if len(data) <= start:
        raise _cut_off("it ends inside its ID3 tag")
    xing = xing_at(data, start)
    if xing and xing.num_bytes is not None and xing.num_bytes > len(data) - start:
        raise _cut_off(f"its header promises {xing.num_bytes} bytes, {len(data) - start} are there")


# FLAC counts its samples in the header: decoding itself shows whether they are all there.
CHECKS: dict[Container, Callable[[bytes], None]] = {
    Container.WAV: _check_wav,
    Container.OGG: _check_ogg,
    Container.MP3: _check_mp3,
}
