"""The outer layers of an OTLP request, taken apart without decoding the spans in them.

The walk holds one slice at a time, so that a hostile body (64 MiB of empty spans) cannot be blown up in memory as a
decoder's tree would be.

Format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

CHUNK_SPANS = 512
CHUNK_BYTES = 512 * 1024
_SPAN_TAG = 0x12  # field 2 (spans), length-delimited


class Undecodable(ValueError):
    """The bytes are not what they should be; the message says what was wrong."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Spans of one resource and scope: all fields as their encoded bytes, URLs as text in bytes."""

    resource: bytes
    resource_url: bytes
    scope: bytes
    scope_url: bytes
    spans: list[bytes]


def varint(value: int) -> bytes:
    """``value`` (not negative) as a base-128 varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    """The varint at ``position`` and the position after it.

    Raises:
        Undecodable: it is longer than ten bytes or than the data.
    """
    value = shift = 0
    while position < end and shift < 70:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise Undecodable("a varint is cut off or too long")


def fields(data: bytes, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Length-delimited fields of a message as (number, start, end); fields of other wire types are passed over.

    Raises:
        Undecodable: the bytes are no protobuf message.
    """
    while position < end:
        number, start, position = _field(data, position, end)
        if number:
            yield number, start, position


def _field(data: bytes, position: int, end: int) -> tuple[int, int, int]:
    # Number, start and end of the field at a position; number 0 for one that is not length-delimited.
    tag, position = read_varint(data, position, end)
    number, wire_type = tag >> 3, tag & 7
    if number == 0:
        raise Undecodable("field number 0")
    if wire_type == 2:
        size, position = read_varint(data, position, end)
        if size > end - position:
            raise Undecodable(f"field {number} is cut off")
        return number, position, position + size
    if wire_type == 0:
        _, position = read_varint(data, position, end)
    elif wire_type in {1, 5}:
        position += 8 if wire_type == 1 else 4
        if position > end:
            raise Undecodable(f"field {number} is cut off")
    else:
        raise Undecodable(f"wire type {wire_type} of field {number}")
    return 0, position, position


def batches(body: bytes) -> Iterator[Batch]:
    """The batches of an encoded ExportTraceServiceRequest, none larger than a chunk (or one span).

    Raises:
        Undecodable: the body is no such message, as far as its outer layers go.
    """
    for number, start, end in fields(body, 0, len(body)):
        if number == 1:
            yield from _resource_spans(body, start, end)


def _resource_spans(body: bytes, start: int, end: int) -> Iterator[Batch]:
    resource = url = b""
    # The order of fields on the wire is free: the resource may come after the spans that it describes.
    scopes = []
    for number, first, last in fields(body, start, end):
        if number == 1:
            resource = body[first:last]
        elif number == 2:
            scopes.append((first, last))
        elif number == 3:
            url = body[first:last]
    for first, last in scopes:
        yield from _scope_spans(body, first, last, resource, url)


def _scope_spans(body: bytes, start: int, end: int, resource: bytes, url: bytes) -> Iterator[Batch]:
    scope, scope_url = b"", b""
    ahead = False
    spans: list[bytes] = []
    position = begun = start
    while position < end:
        position = _usual_spans(body, position, end, spans)
        if len(spans) >= CHUNK_SPANS or position - begun >= CHUNK_BYTES:
            if not ahead:
                # What describes the spans may follow them; only a batch of several chunks needs to look ahead.
                scope, scope_url = _scope(body, start, end)
                ahead = True
            yield Batch(resource, url, scope, scope_url, spans)
            spans, begun = [], position
        if position == end:
            break
        number, first, position = _field(body, position, end)
        if number == 2:
            spans.append(body[first:position])
        elif number == 1:
            scope = body[first:position]
        elif number == 3:
            scope_url = body[first:position]
    if spans:
        yield Batch(resource, url, scope, scope_url, spans)


def _usual_spans(body: bytes, position: int, end: int, spans: list[bytes]) -> int:
    # The quick way through a row of spans of 128 bytes to 16 KiB each, which nearly all are; gives the position after.
    first_full = position + CHUNK_BYTES
    while position + 3 <= end and body[position] == _SPAN_TAG and len(spans) < CHUNK_SPANS and position < first_full:
        low, high = body[position + 1], body[position + 2]
        if low < 0x80 or high >= 0x80:
            break
        start = position + 3
        last = start + (low & 0x7F | high << 7)
        if last > end:
            break
        spans.append(body[start:last])
        position = last
    return position


def _scope(body: bytes, start: int, end: int) -> tuple[bytes, bytes]:
    scope = url = b""
    for number, first, last in fields(body, start, end):
        if number == 1:
            scope = body[first:last]
        elif number == 3:
            url = body[first:last]
    return scope, url
