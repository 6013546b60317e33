"""Files to decode, made in memory: whole ones, and OGG pages built by hand to lie about themselves."""

import io
import struct

import numpy as np
import soundfile

from svc.types import FloatArray

# Container, codec, and how far a decoded sample may be from the one put in (None = lossy, not compared).
WHOLE_FORMATS = [
    ("WAV", "PCM_16", 1e-4),
    ("WAV", "PCM_24", 1e-6),
    ("WAV", "FLOAT", 0.0),
    ("RF64", "PCM_16", 1e-4),
    ("FLAC", "PCM_16", 1e-4),
    ("OGG", "VORBIS", None),
    ("OGG", "OPUS", None),
    ("MP3", "MPEG_LAYER_III", None),
]
OGG_HEADER = struct.Struct("<4sBBqIIIB")
# Mono, SILK at 8 kHz, two frames of 60 ms, both empty: 120 ms in two bytes.
SILENT_OPUS_PACKET = bytes([0b0001_1011, 2])
OPUS_PACKET_SAMPLES = 5760  # at Opus's clock of 48 kHz
PACKETS_PER_PAGE = 255


def tone(num_samples: int = 16_000, *, rate_hz: int = 16_000, num_channels: int = 1) -> FloatArray:
    """(N, C): a sine in each channel, an octave apart."""
    seconds = np.arange(num_samples)[:, None] / rate_hz
    return (0.5 * np.sin(2 * np.pi * 220 * seconds * 2 ** np.arange(num_channels))).astype(np.float32)


def encoded(samples: FloatArray, *, rate_hz: int = 16_000, container: str = "WAV", codec: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format=container, subtype=codec)
    return file.getvalue()


def ogg_page(body: bytes, table: bytes, *, flags: int, granule: int, serial: int, number: int) -> bytes:
    """A page with a true checksum."""
    bare = OGG_HEADER.pack(b"OggS", 0, flags, granule, serial, number, 0, len(table)) + table + body
    return bare[:22] + struct.pack("<I", ogg_crc(bare)) + bare[26:]


def with_true_checksums(data: bytes) -> bytes:
    """OGG pages that were tampered with, made credible again."""
    mended, start = bytearray(data), data.find(b"OggS")
    while start >= 0 and start + OGG_HEADER.size <= len(mended):
        table = mended[start + OGG_HEADER.size : start + OGG_HEADER.size + mended[start + OGG_HEADER.size - 1]]
        end = start + OGG_HEADER.size + len(table) + sum(table)
        mended[start + 22 : start + 26] = bytes(4)
        mended[start + 22 : start + 26] = ogg_crc(bytes(mended[start:end])).to_bytes(4, "little")
        start = data.find(b"OggS", end)
    return bytes(mended)


def ogg_crc(page: bytes) -> int:
    crc = 0
    for byte in page:
        crc = (crc << 8 & 0xFFFFFFFF) ^ CRC_TABLE[crc >> 24 ^ byte]
    return crc


def _crc_entry(byte: int) -> int:
    crc = byte << 24
    for _ in range(8):
        crc = crc << 1 & 0xFFFFFFFF ^ (0x04C11DB7 if crc & 0x80000000 else 0)
    return crc


CRC_TABLE = [_crc_entry(byte) for byte in range(256)]


def opus_header(*, input_rate_hz: int) -> bytes:
    """The two header pages of an Opus stream that claims to come from such a recording."""
    head = struct.pack("<8sBBHIhB", b"OpusHead", 1, 1, 312, input_rate_hz, 0, 0)
    tags = struct.pack("<8sI4sI", b"OpusTags", 4, b"test", 0)
    first = ogg_page(head, bytes([len(head)]), flags=2, granule=0, serial=7, number=0)
    return first + ogg_page(tags, bytes([len(tags)]), flags=0, granule=0, serial=7, number=1)


def silent_opus(num_pages: int, *, claimed_pages: int | None = None, input_rate_hz: int = 48_000) -> bytes:
    """Half a minute of silence in each page of 800 bytes; the last page claims the length of `claimed_pages`."""
    pages = [opus_header(input_rate_hz=input_rate_hz)]
    for page in range(1, num_pages + 1):
        is_last = page == num_pages
        length = claimed_pages if is_last and claimed_pages is not None else page
        pages.append(
            ogg_page(
                SILENT_OPUS_PACKET * PACKETS_PER_PAGE,
                bytes([len(SILENT_OPUS_PACKET)]) * PACKETS_PER_PAGE,
                flags=4 if is_last else 0,
                granule=length * PACKETS_PER_PAGE * OPUS_PACKET_SAMPLES,
                serial=7,
                number=page + 1,
            )
        )
    return b"".join(pages)
