"""The outer layers of an OTLP request, taken apart without decoding the spans in them.

A body of ordinary size is left to protobuf. A large one is walked over, one slice at a time, so that a hostile one
(64 MiB of empty spans) cannot be blown up in memory as a decoder's tree would be.

Format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from devenv.otlp import messages

CHUNK_SPANS = 512
CHUNK_BYTES = 512 * 1024
ORDINARY_BYTES = 1024 * 1024


class Undecodable(ValueError):
    """The bytes are not what they should be; the message says what was wrong."""


class TooLarge(ValueError):
    """What is asked for would take more time or memory than one request may have."""


@dataclass(slots=True)
class Budget:
    """How many fields may still be looked at; a full body of ordinary spans, walked over twice, has 600,000."""

    left: int = 2_000_000

    def spend(self) -> None:
        """One more.

        Raises:
            TooLarge: there were enough.
        """
        self.left -= 1
        if self.left < 0:
            raise TooLarge("more fields than one request may have")


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


def fields(data: bytes, position: int, end: int, budget: Budget) -> Iterator[tuple[int, int, int]]:
    """Length-delimited fields of a message as (number, start, end); fields of other wire types are passed over.

    Raises:
        Undecodable: the bytes are no protobuf message.
        TooLarge: the budget is used up.
    """
    while position < end:
        budget.spend()
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


def batches(body: bytes) -> Iterator[Batch]:
    """The batches of an encoded ExportTraceServiceRequest, none larger than a chunk (or one span).

    Raises:
        Undecodable: the body is no such message, as far as its outer layers go.
        TooLarge: see :func:`walk`.
    """
    return _decoded(body) if len(body) <= ORDINARY_BYTES else walk(body)


def _decoded(body: bytes) -> Iterator[Batch]:
    try:
        request = messages.Request.FromString(body)
    except DecodeError as error:
        raise Undecodable(f"request: {error}") from error
    for resource_spans in request.resource_spans:
        resource, url = resource_spans.resource, resource_spans.url
        for scope_spans in resource_spans.scope_spans:
            scope, scope_url, spans = scope_spans.scope, scope_spans.url, scope_spans.spans
            for first in range(0, len(spans), CHUNK_SPANS):
                yield Batch(resource, url, scope, scope_url, spans[first : first + CHUNK_SPANS])


def walk(body: bytes) -> Iterator[Batch]:
    """As :func:`batches`, holding no more than a chunk at a time.

    Raises:
        Undecodable: as there.
        TooLarge: the body has more fields than time is given to.
    """
    budget = Budget()
    for number, start, end in fields(body, 0, len(body), budget):
        if number == 1:
            yield from _resource_spans(body, start, end, budget)


def _resource_spans(body: bytes, start: int, end: int, budget: Budget) -> Iterator[Batch]:
    # The order of fields on the wire is free, and what describes the spans may follow them: a first pass finds it.
    resource, url = _described(body, start, end, budget)
    for number, first, last in fields(body, start, end, budget):
        if number != 2:
            continue
        scope, scope_url = _described(body, first, last, budget)
        for spans in _chunks(body, first, last, budget):
            yield Batch(resource, url, scope, scope_url, spans)


def _described(body: bytes, start: int, end: int, budget: Budget) -> tuple[bytes, bytes]:
    # Fields 1 and 3: resource or scope, and its schema's URL.
    about = url = b""
    for number, first, last in fields(body, start, end, budget):
        if number == 1:
            about = body[first:last]
        elif number == 3:
            url = body[first:last]
    return about, url


def _chunks(body: bytes, start: int, end: int, budget: Budget) -> Iterator[list[bytes]]:
    spans: list[bytes] = []
    size = 0
    for number, first, last in fields(body, start, end, budget):
        if number != 2:
            continue
        spans.append(body[first:last])
        size += last - first
        if len(spans) == CHUNK_SPANS or size >= CHUNK_BYTES:
            yield spans
            spans, size = [], 0
    if spans:
        yield spans
