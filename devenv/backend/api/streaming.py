"""JSON responses that may be large, built piece by piece while the client reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from devenv.http.server.message import Response

_PIECE = 64 * 1024
# Encoded spans of this size become JSON within a few milliseconds.
_AT_ONCE = 256 * 1024


def list_response(opening: bytes, items: Iterable[bytes], closing: bytes, encoded_size: int) -> Response:
    """Return a response of ``opening``, the items (encoded JSON) with commas between them, and ``closing``.

    Args:
        opening: text before the items.
        items: built one by one, lazily.
        closing: text after them.
        encoded_size: bytes of spans in the items; if they are few, the response is built at once.
    """
    pieces = json_list(opening, items, closing)
    return Response(body=b"".join(pieces) if encoded_size <= _AT_ONCE else pieces)


def json_list(opening: bytes, items: Iterable[bytes], closing: bytes) -> Iterator[bytes]:
    """Yield ``opening``, the items (encoded JSON) with commas, and ``closing``, with pauses (see Response)."""
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
