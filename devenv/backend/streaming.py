"""JSON answers that may be large, made piece by piece while the client takes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_PIECE = 64 * 1024


def json_list(opening: bytes, items: Iterable[bytes], closing: bytes) -> Iterator[bytes]:
    """``opening``, the items (JSON already) with commas between them, ``closing``; with pauses (see Response)."""
    pieces = [opening]
    size = 0
    separator = b""
    for item in items:
        pieces += (separator, item)
        separator = b","
        size += len(item)
        if size >= _PIECE:
            yield b"".join(pieces)
            yield b""
            pieces, size = [], 0
    yield b"".join([*pieces, closing])
