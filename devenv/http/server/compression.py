"""Decompression of request bodies, with a limit on the output."""

from __future__ import annotations

import zlib


class BodyTooLarge(ValueError):
    """The output exceeds the limit; decompression stopped there."""


class BadEncoding(ValueError):
    """The body does not have the stated Content-Encoding."""


class UnknownEncoding(ValueError):
    """The Content-Encoding is not supported."""


_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15, "zlib": 15}


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """Return ``body`` decompressed; at most ``limit`` + 1 bytes are produced.

    Raises:
        BodyTooLarge, BadEncoding, UnknownEncoding: See the classes.
    """
    if encoding in {"", "identity"}:
        return body
    window = _WINDOWS.get(encoding)
    if window is None:
        raise UnknownEncoding(f"unsupported Content-Encoding {encoding[:40]!r}; use gzip or deflate")
    pieces: list[bytes] = []
    room = limit
    # A gzip file may have several members (RFC 1952, 2.2).
    while body:
        stream = zlib.decompressobj(window)
        try:
            piece = stream.decompress(body, room + 1)
        except zlib.error as error:
            raise BadEncoding(f"{encoding}: {error}") from error
        room -= len(piece)
        if room < 0:
            raise BodyTooLarge(f"the body is larger than {limit} bytes")
        if not stream.eof:
            raise BadEncoding(f"{encoding}: the body is cut off")
        pieces.append(piece)
        body = stream.unused_data
    if not pieces:
        raise BadEncoding(f"{encoding}: the body is empty")
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
