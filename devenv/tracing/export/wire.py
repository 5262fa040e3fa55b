"""The parts of the protobuf wire format that OTLP needs (https://protobuf.dev/programming-guides/encoding/)."""

from __future__ import annotations

_MASK_64 = (1 << 64) - 1


def _long_varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


# Lengths of names, attributes and most spans are below this, so that their varints are looked up by index.
SMALL = 2048
VARINTS: tuple[bytes, ...] = tuple(_long_varint(number) for number in range(SMALL))


def varint(value: int) -> bytes:
    """Encode an unsigned varint; negative numbers as 64-bit two's complement, as int64 fields require."""
    return VARINTS[value] if 0 <= value < SMALL else _long_varint(value & _MASK_64)


def block(tag: bytes, body: bytes) -> bytes:
    """Encode a length-delimited field: tag, length, body."""
    return tag + varint(len(body)) + body


def text(tag: bytes, value: str) -> bytes:
    """Encode a string field; empty bytes for an empty text."""
    return block(tag, value.encode("utf-8", "replace")) if value else b""


def read_varint(data: bytes, position: int, end: int | None = None) -> tuple[int, int]:
    """Return the varint at a position, as (value, position after it).

    Raises:
        ValueError: If the data ends within it, or it is longer than ten bytes.
    """
    end = len(data) if end is None else end
    value = shift = 0
    while shift < 70:
        if position >= end:
            raise ValueError("truncated varint")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise ValueError("varint too long")


def read_fields(data: bytes) -> list[tuple[int, int | bytes]]:
    """Yield the fields of a message in order, as (number, varint or bytes); fixed-width values stay bytes.

    Raises:
        ValueError: If the data is not a message.
    """
    found: list[tuple[int, int | bytes]] = []
    position = 0
    while position < len(data):
        tag, position = read_varint(data, position)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, position = read_varint(data, position)
            found.append((number, value))
            continue
        if kind == 2:
            size, position = read_varint(data, position)
        elif kind in {1, 5}:
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if position + size > len(data):
            raise ValueError("truncated field")
        found.append((number, data[position : position + size]))
        position += size
    return found
