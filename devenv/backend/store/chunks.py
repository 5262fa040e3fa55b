"""How a stored trace is encoded: chunks of spans, each with the number of its scope and that of its spans.

The bytes are those of ``messages.Stored``; the numbers come first, so that they are read without the spans.
"""

from __future__ import annotations

from collections.abc import Iterable

from devenv.otlp.wire import read_varint, varint

_SPAN_TAG = b"\x12"
_CHUNK_TAG = b"\x0a"
# Not a low field number: a search for the bytes of a status or a kind must not find the head of a chunk.
_COUNT_TAG = b"\x78"
READY = 4096
"""Heads of spans and chunks below this size are made in advance."""
SPAN_HEADS = [_SPAN_TAG + varint(size) for size in range(READY)]
CHUNK_HEADS = [_CHUNK_TAG + varint(size) for size in range(READY)]


def span_head(size: int) -> bytes:
    """Return what precedes a span of ``size`` bytes."""
    return SPAN_HEADS[size] if size < READY else _SPAN_TAG + varint(size)


def span_heads(spans: list[bytes]) -> Iterable[bytes]:
    """Return what precedes each of the encoded spans."""
    sizes = list(map(len, spans))
    return map(SPAN_HEADS.__getitem__, sizes) if max(sizes, default=0) < READY else map(span_head, sizes)


def chunk_head(size: int) -> bytes:
    """Return what precedes the numbers and the spans of a chunk, ``size`` bytes together."""
    return CHUNK_HEADS[size] if size < READY else _CHUNK_TAG + varint(size)


def chunk_count(count: int) -> bytes:
    """Return the number of a chunk's spans, encoded; it follows that of the scope."""
    return _COUNT_TAG + varint(count)


def counts(raw: bytes) -> list[tuple[int, int]]:
    """Return each chunk's number of its scope and number of its spans; reads the heads of the chunks only."""
    found = []
    position, end = 0, len(raw)
    while position < end:
        size, start = raw[position + 1], position + 2
        if size >= 0x80:
            if raw[start] < 0x80:  # most chunks: without a call
                size += (raw[start] << 7) - 0x80
                start += 1
            else:
                size, start = read_varint(raw, position + 1, end)
        position = start + size
        scope, count = raw[start + 1], raw[start + 3]
        if scope >= 0x80 or count >= 0x80:
            scope, start = read_varint(raw, start + 1, end)
            count, start = read_varint(raw, start + 1, end)
        found.append((scope, count))
    return found
