"""The protobuf wire format, written and read field by field.

The writer is that of :mod:`devenv.tracing.export.wire`, which cannot import anything from here: the tracing library is
installed without the rest of devenv. Only this module imports it from there.

Format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

from devenv.tracing.export.wire import block, varint
from devenv.tracing.export.wire import read_varint as _read_varint

__all__ = [
    "PAUSE_FIELDS",
    "FieldBudget",
    "TooLarge",
    "Undecodable",
    "bytes_field",
    "fields",
    "fixed64_field",
    "read_varint",
    "text_field",
    "varint",
    "varint_field",
]

PAUSE_FIELDS = 4096
_FIXED64 = Struct("<Q")


class Undecodable(ValueError):
    """The bytes are not the expected message; the text names the fault."""


class TooLarge(ValueError):
    """The request would take more time or memory than one request may use."""


@dataclass(slots=True)
class FieldBudget:
    """How many fields may still be read; a full body of ordinary spans, read twice, has 600,000."""

    left: int = 2_000_000

    def spend(self) -> bool:
        """Count one field, and return whether it is time for a pause.

        Raises:
            TooLarge: If the limit is exceeded.
        """
        self.left -= 1
        if self.left < 0:
            raise TooLarge("more fields than one request may have")
        return not self.left % PAUSE_FIELDS


def bytes_field(number: int, value: bytes) -> bytes:
    """A length-delimited field: bytes, or an encoded message."""
    return block(varint(number << 3 | 2), value)


def text_field(number: int, value: str) -> bytes:
    """A string field, present even if the text is empty; lone surrogates become question marks."""
    return bytes_field(number, value.encode("utf-8", "replace"))


def varint_field(number: int, value: int) -> bytes:
    """An integer, boolean or enumeration; a negative one as 64-bit two's complement."""
    return varint(number << 3) + varint(value)


def fixed64_field(number: int, value: int) -> bytes:
    """A ``fixed64``, such as a time."""
    return varint(number << 3 | 1) + _FIXED64.pack(value)


def read_varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    """Return the varint at ``position`` and the position after it.

    Raises:
        Undecodable: If it is longer than ten bytes, or reaches beyond ``end``.
    """
    if position < end and (byte := data[position]) < 0x80:
        return byte, position + 1  # most tags and lengths: without a second call
    try:
        return _read_varint(data, position, end)
    except ValueError as error:
        raise Undecodable("a varint is cut off or too long") from error


def fields(data: bytes, position: int, end: int, budget: FieldBudget) -> Iterator[tuple[int, int, int]]:
    """Yield the length-delimited fields of a message as (number, start, end), without fields of other wire types.

    The number 0, which no field has, is a pause: the caller may let others run. There is one for every
    ``PAUSE_FIELDS`` fields, whatever their type.

    Raises:
        Undecodable: If the bytes are not a protobuf message.
        TooLarge: If the budget is exceeded.
    """
    while position < end:
        if budget.spend():
            yield 0, position, position
        tag, position = read_varint(data, position, end)
        number, wire_type = tag >> 3, tag & 7
        if number == 0:
            raise Undecodable("field number 0")
        if wire_type == 2:
            size, position = read_varint(data, position, end)
            if size > end - position:
                raise Undecodable(f"field {number} is cut off")
            yield number, position, position + size
            position += size
        elif wire_type == 0:
            _, position = read_varint(data, position, end)
        elif wire_type in {1, 5}:
            position += 8 if wire_type == 1 else 4
            if position > end:
                raise Undecodable(f"field {number} is cut off")
        else:
            raise Undecodable(f"wire type {wire_type} of field {number}")
