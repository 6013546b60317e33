"""The fields of a message as they lie on the wire, one by one, so that they can be counted before anybody parses them.

Of a parsed message each costs tens of bytes and some time, though on the wire it may be of two bytes.
"""

from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

MAX_VARINT_BYTES = 10
UNKNOWN: tuple[str, Descriptor | None] = "", None


def field_names(raw: bytes, kind: type[Message]) -> Iterator[str]:
    """For each field of a serialised message, those of the messages within it included, the name of the outermost one
    it belongs to; "" where the contract has none. In order, and only as far as the bytes are a message.
    """
    with suppress(IndexError, ValueError):  # what ends too early
        # To the stubs there are two kinds of descriptors.
        yield from _field_names(raw, 0, len(raw), cast(Descriptor, kind.DESCRIPTOR))


def _field_names(raw: bytes, at: int, end: int, kind: Descriptor) -> Iterator[str]:
    fields, num_open_groups = _fields_of(kind), 0
    while at < end:
        tag, at = _varint(raw, at)
        # What is in a group, of which our contract has none, is numbered anew.
        name, inner = UNKNOWN if num_open_groups else fields.get(tag >> 3, UNKNOWN)
        yield name
        match tag & 7:  # how the value is written: https://protobuf.dev/programming-guides/encoding
            case 0:
                _, at = _varint(raw, at)
            case 1:
                at += 8
            case 2:
                length, at = _varint(raw, at)
                if inner:
                    for _ in _field_names(raw, at, min(at + length, end), inner):
                        yield name
                at += length
            case 3:  # a group begins
                num_open_groups += 1
            case 4:  # and ends
                num_open_groups -= 1
            case 5:
                at += 4
            case _:
                raise ValueError("no way to write a value")


@cache
def _fields_of(kind: Descriptor) -> dict[int, tuple[str, Descriptor | None]]:
    """Each field's name and, where it holds messages, their kind, by its number."""
    return {field.number: (field.name, field.message_type) for field in kind.fields}


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """The number there and where it ends. Raises IndexError or ValueError when there is none."""
    value = 0
    for shift in range(0, 7 * MAX_VARINT_BYTES, 7):
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number that does not end")
