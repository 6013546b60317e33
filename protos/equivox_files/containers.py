"""What a container says of itself, read before it is decoded: which it is, and whether it is all there.

libsndfile plays what is left of a cut-off file without a word. So the sizes that headers promise are checked here.
"""

import struct
from collections.abc import Callable, Iterator
from enum import Enum

from equivox_files.errors import AudioFileError, CutOffError, DeclaredRateError, EmptyFileError
from equivox_files.mp3 import Contents, after_id3, xing_at

# Sizes that recorders write when they cannot know the end yet (ffmpeg -1, sox 0x7ffff000 and up).
UNKNOWN_SIZE = 0x7FFF_F000
MAX_RIFF_CHUNKS = 1000
# libsndfile's count for a FLAC stream that does not tell its length is 2^63 - 1.
UNKNOWN_FRAMES = 1 << 62
# RFC 7845: Opus always runs at 48 kHz, whatever was put in; tools report that rate for every Opus file.
OPUS_CLOCK_HZ = 48_000
OGG_HEADER_BYTES = 27
MAX_OGG_PAGE_BYTES = OGG_HEADER_BYTES + 255 + 255 * 255
OGG_FIRST_PAGE, OGG_LAST_PAGE = 0x02, 0x04


class Container(Enum):
    """The containers the service reads."""

    WAV = "WAV"
    FLAC = "FLAC"
    OGG = "OGG"
    MP3 = "MP3"


def container_of(data: Contents) -> Container:
    """Which container the first bytes announce. Raises AudioFileError for any other."""
    if data[:4] in (b"RIFF", b"RIFX", b"RF64") and data[8:12] == b"WAVE":
        return Container.WAV
    if data[:4] == b"fLaC":
        return Container.FLAC
    if data[:4] == b"OggS":
        return Container.OGG
    if data[:3] == b"ID3" or (data[:1] == b"\xff" and len(data) > 1 and data[1] & 0xE0 == 0xE0):
        return Container.MP3
    raise AudioFileError("not a WAV, FLAC, OGG (Vorbis or Opus) or MP3 file: convert it, or send bare samples as pcm")


def check_whole(data: Contents, container: Container) -> None:
    """Raises CutOffError when the container is shorter than its own headers say, AudioFileError for several
    OGG files in one.
    """
    if check := CHECKS.get(container):
        check(data)


def promised_frames(container: Container, header_frames: int) -> int | None:
    """The frames a decoder found promised, None where that cannot be believed: an MP3's header may tell anything."""
    return header_frames if container is not Container.MP3 and 0 <= header_frames < UNKNOWN_FRAMES else None


def broken_off(num_frames: int, promised: int | None, rate_hz: int) -> CutOffError:
    """For a file that could be decoded only so far."""
    of_all = f" of {promised / rate_hz:.3f} s" if promised is not None else " s"
    return CutOffError(f"the file breaks off after {num_frames / rate_hz:.3f}{of_all}: send it whole")


def check_read_to_end(num_frames: int, promised: int | None, rate_hz: int) -> None:
    """Raises CutOffError where fewer frames were decoded than the header promises, EmptyFileError for none at all."""
    if promised is not None and num_frames < promised:
        raise broken_off(num_frames, promised, rate_hz)
    if num_frames == 0:
        raise EmptyFileError("the file holds no samples: record it anew")


def check_declared_rate(declared_hz: int | None, data: Contents, *, decoded_hz: int, is_opus: bool) -> None:
    """Raises DeclaredRateError where a caller declared a rate that is not the file's. Opus has several."""
    known = {decoded_hz}
    if is_opus:
        known |= {OPUS_CLOCK_HZ, opus_input_rate_hz(data) or OPUS_CLOCK_HZ}
    if declared_hz is not None and declared_hz not in known:
        raise DeclaredRateError(f"declared {declared_hz} Hz, but the file says {decoded_hz}: declare that rate or none")


def opus_input_rate_hz(data: Contents) -> int | None:
    """Rate of the recording before it was encoded, as an Opus header tells it; None for other audio, or if untold."""
    start = data.find(b"OpusHead", 0, MAX_OGG_PAGE_BYTES)
    if start < 0 or len(data) < start + 16:
        return None
    return int.from_bytes(data[start + 12 : start + 16], "little") or None


def _cut_off(what: str) -> CutOffError:
    return CutOffError(f"the file is cut off: {what}; send the whole file")


def _check_wav(data: Contents) -> None:
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


def _riff_chunks(data: Contents, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and size of each chunk of a RIFF file."""
    position = 12
    for _ in range(MAX_RIFF_CHUNKS):
        if position + 8 > len(data):
            return
        name, size = struct.unpack_from(f"{order}4sI", data, position)
        yield name, position + 8, size
        position += 8 + size + size % 2
    raise AudioFileError(f"more than {MAX_RIFF_CHUNKS} chunks before the samples: write a plain WAV")


def _check_ogg(data: Contents) -> None:
    start = _last_ogg_page(data)
    if start is None:
        raise _cut_off("it ends inside a page")
    if not data[start + 5] & OGG_LAST_PAGE:
        raise _cut_off("its last page is missing")
    _check_one_ogg(data)


def _check_one_ogg(data: Contents) -> None:
    """Of files joined end to end decoders play the first; streams side by side all begin before any goes on."""
    gone_on = False
    for start in _ogg_pages(data):
        begins = bool(data[start + 5] & OGG_FIRST_PAGE)
        if begins and gone_on:
            raise AudioFileError(
                f"another OGG file begins at byte {start}, as in files joined end to end: send each by itself, or "
                "decode and join them into one"
            )
        gone_on = gone_on or not begins


def _ogg_pages(data: Contents) -> Iterator[int]:
    """Where each page starts; what stands between pages is passed over, as decoders do."""
    start = data.find(b"OggS")
    while 0 <= start <= len(data) - OGG_HEADER_BYTES:
        yield start
        start = data.find(b"OggS", start + _ogg_page_bytes(data, start))


def _last_ogg_page(data: Contents) -> int | None:
    """Where the page starts that ends exactly where the data ends."""
    earliest = max(0, len(data) - MAX_OGG_PAGE_BYTES)
    start = data.rfind(b"OggS", earliest)
    while start >= 0:
        if start + OGG_HEADER_BYTES <= len(data) and start + _ogg_page_bytes(data, start) == len(data):
            return start
        # The four letters may also occur inside a page.
        start = data.rfind(b"OggS", earliest, start)
    return None


def _ogg_page_bytes(data: Contents, start: int) -> int:
    num_segments = data[start + 26]
    segments = data[start + OGG_HEADER_BYTES : start + OGG_HEADER_BYTES + num_segments]
    return OGG_HEADER_BYTES + num_segments + sum(segments)


def _check_mp3(data: Contents) -> None:
    """Only encoders that write a Xing header tell the size; any other MP3 may be cut without a trace."""
    start = after_id3(data, 0)
    if len(data) <= start:
        raise _cut_off("it ends inside its ID3 tag")
    xing = xing_at(data, start)
    if xing and xing.num_bytes is not None and xing.num_bytes > len(data) - start:
        raise _cut_off(f"its header promises {xing.num_bytes} bytes, {len(data) - start} are there")


# FLAC counts its samples in the header: decoding itself shows whether they are all there.
CHECKS: dict[Container, Callable[[Contents], None]] = {
    Container.WAV: _check_wav,
    Container.OGG: _check_ogg,
    Container.MP3: _check_mp3,
}
