"""The frames of an MP3 file. A decoder stops where the file's first header says it ends; here is where it does end."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from mmap import mmap

from equivox_files.errors import AudioFileError

Contents = bytes | mmap
# Layer III of MPEG 1, and of MPEG 2 and 2.5: kbit/s by a header's index, from 1.
KBITS_1 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
KBITS_2 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
RATES_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
FRAME_START = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]")
# Places between frames that look like one and are none; past so many it is no MP3 that anybody wrote.
MAX_FALSE_STARTS = 10_000
# Large enough for a Xing header at every rate.
XING_BITRATE_INDEX = 9


@dataclass(frozen=True, slots=True)
class Xing:
    """What a file's first frame, instead of audio, tells of it: frames after this one, bytes with it; None = untold."""

    num_frames: int | None
    num_bytes: int | None


def with_true_length(data: Contents) -> Contents:
    """The file as decoders play it to its end. One whose header tells all of its frames comes back as it is.

    Else (no header, or files joined end to end) its frames follow a header that counts them; what stood between them is
    dropped. Raises AudioFileError where rate or channels change on the way.
    """
    runs: list[tuple[int, int]] = []
    num_told = num_frames = 0
    for start, end in frames_of(data):
        if xing := xing_at(data, start):
            # One further in is another file's: it would be heard as a moment of silence.
            num_told = num_told if runs else xing.num_frames or 0
            continue
        num_frames += 1
        if runs and runs[-1][1] == start:
            runs[-1] = runs[-1][0], end
        else:
            runs.append((start, end))
        _check_kind(data, start, like=runs[0][0])
    if num_frames <= num_told:
        return data
    return _xing_frame(data, runs[0][0], num_frames) + b"".join(data[start:end] for start, end in runs)


def frames_of(data: Contents) -> Iterator[tuple[int, int]]:
    """Start and end of each whole frame. Tags and whatever else stands between frames are passed over."""
    position, in_step, num_false = after_id3(data, 0), False, 0
    while position + 4 <= len(data):
        end = position + _frame_bytes(data[position], data[position + 1], data[position + 2])
        # Out of step two bytes may look like a frame by chance: then another must follow.
        if position < end <= len(data) and (in_step or end == len(data) or _is_frame(data, end)):
            yield position, end
            position, in_step = end, True
            continue
        num_false += 1
        if num_false > MAX_FALSE_STARTS:
            raise AudioFileError("the file is broken (few of its MP3 frames touch): convert it anew")
        after_tag = after_id3(data, position)
        found = FRAME_START.search(data, max(after_tag, position + 1))
        position, in_step = found.start() if found else len(data), False


def after_id3(data: Contents, start: int) -> int:
    """Where the ID3 tag ends that begins at `start`; `start` without one."""
    if data[start : start + 3] != b"ID3" or len(data) < start + 10:
        return start
    size = 0
    for byte in data[start + 6 : start + 10]:  # seven bits each
        size = size << 7 | byte & 0x7F
    return start + 10 + size


def xing_at(data: Contents, start: int) -> Xing | None:
    """The frame at `start` as a Xing (or Info) header; None for one of audio."""
    if len(data) < start + 64:
        return None
    tag = start + _tag_offset(data[start + 1], data[start + 3])
    if data[tag : tag + 4] not in (b"Xing", b"Info"):
        return None
    fields = struct.unpack_from(">2I", data, tag + 8)
    has_frames, has_bytes = data[tag + 7] & 1, data[tag + 7] & 2
    return Xing(fields[0] if has_frames else None, fields[has_frames] if has_bytes else None)


def _tag_offset(version: int, mode: int) -> int:
    """Past header, checksum and side information, by the second and fourth byte of the header."""
    mpeg1, mono = version & 0x18 == 0x18, mode & 0xC0 == 0xC0
    side_information = (17 if mono else 32) if mpeg1 else (9 if mono else 17)
    return 4 + (0 if version & 1 else 2) + side_information


def _is_frame(data: Contents, start: int) -> bool:
    return start + 3 <= len(data) and _frame_bytes(*data[start : start + 3]) > 0


@cache
def _frame_bytes(sync: int, version: int, rates: int) -> int:
    """Length of the Layer III frame whose header begins with these bytes; 0 for what is none."""
    if sync != 0xFF or version & 0xE6 != 0xE2 or (generation := version >> 3 & 3) not in RATES_HZ:
        return 0
    bitrate, rate, padding = rates >> 4, rates >> 2 & 3, rates >> 1 & 1
    if bitrate in (0, 15) or rate == 3:
        return 0
    kbits, slots = (KBITS_1, 144_000) if generation == 3 else (KBITS_2, 72_000)
    return slots * kbits[bitrate - 1] // RATES_HZ[generation][rate] + padding


def _check_kind(data: Contents, start: int, *, like: int) -> None:
    """Version, sample rate and mono or not are those of the frame at `like`, or decoders lose their way."""
    if _kind(data, start) != _kind(data, like):
        raise AudioFileError(
            f"its sample rate or channels change at byte {start}, as in files joined end to end: send each by itself, "
            "or decode and join them into one"
        )


def _kind(data: Contents, start: int) -> tuple[int, int, bool]:
    return data[start + 1] & 0x18, data[start + 2] & 0x0C, data[start + 3] & 0xC0 == 0xC0


def _xing_frame(data: Contents, like: int, num_frames: int) -> bytes:
    """A Xing header of the kind of the frame at `like`, without a checksum."""
    version, rates, mode = data[like + 1] | 1, XING_BITRATE_INDEX << 4 | data[like + 2] & 0x0C, data[like + 3]
    frame = bytearray(_frame_bytes(0xFF, version, rates))
    frame[:4] = 0xFF, version, rates, mode
    struct.pack_into(">4sII", frame, _tag_offset(version, mode), b"Xing", 1, num_frames)
    return bytes(frame)
