"""JSON responses that may be large, built piece by piece while the client reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from time import monotonic

from devenv.http.server.message import Response

_PIECE = 64 * 1024
# Encoded spans of this size become JSON within a few milliseconds.
_AT_ONCE = 64 * 1024
# Seconds of work between two pauses: a search finds many small traces, and a pause takes as long as a span.
_WORK = 0.0005


def list_response(opening: str, items: Iterable[Iterable[str]], closing: str, encoded_size: int) -> Response:
    """Return a response of ``opening``, the items with commas between them, and ``closing``.

    Args:
        opening: text before the items.
        items: JSON in ASCII, in pieces that are made one by one, lazily; an empty piece is a pause.
        closing: text after them.
        encoded_size: bytes of spans in the items; if they are few, the response is built at once.
    """
    if encoded_size <= _AT_ONCE:
        return Response(body=b"".join(json_list(opening, items, closing)))
    return Response(body=json_list(opening, items, closing))


def json_list(opening: str, items: Iterable[Iterable[str]], closing: str) -> Iterator[bytes]:
    """Yield ``opening``, the items with commas, and ``closing``, with pauses (see Response)."""
    pieces = [opening]
    size = 0
    separator = ""
    due = 0.0
    for item in items:
        for piece in chain((separator,), item):
            pieces.append(piece)
            size += len(piece)
            if size >= _PIECE:
                yield "".join(pieces).encode("ascii")
                pieces, size = [], 0
            elif monotonic() < due:
                continue
            else:
                yield b""
            due = monotonic() + _WORK
        separator = ","
    yield "".join([*pieces, closing]).encode("ascii")
