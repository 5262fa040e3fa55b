"""Decompression of request bodies in pieces, with a limit on the output."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from devenv.http.server import zstd
from devenv.http.server.body_errors import BadEncoding, BodyTooLarge, UnknownEncoding

SUPPORTED = "gzip, deflate, zstd" if zstd.AVAILABLE else "gzip, deflate"
"""The encodings, as the header Accept-Encoding has them."""
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15, "zlib": 15}
# Input and output of one step, which takes about a millisecond.
_FED = 16 * 1024
_PIECE = 256 * 1024
# A gzip file may have several members (RFC 1952, 2.2); each costs a new decompressor.
_MEMBERS = 1000


def is_compressed(encoding: str) -> bool:
    """Whether a body with this Content-Encoding has to be decompressed."""
    return encoding not in {"", "identity"}


def pieces(body: bytes, encoding: str, limit: int) -> Iterator[bytes]:
    """Yield ``body`` decompressed, piece by piece; the caller may serve others between two of them.

    Raises:
        BodyTooLarge: If there are more than ``limit`` bytes; at most that many are yielded.
        BadEncoding, UnknownEncoding: See the classes.
    """
    zipped = encoding == "zstd" and zstd.AVAILABLE
    if not zipped and encoding not in _WINDOWS:
        raise UnknownEncoding(f"unsupported Content-Encoding {encoding[:40]!r}; supported: {SUPPORTED}")
    if not body:
        raise BadEncoding(f"{encoding}: the body is empty")
    output = _Output(encoding, limit)
    if zipped:
        yield from map(output.counted, zstd.zstd_blocks(body))
    else:
        yield from _inflated(body, encoding, output)


def _inflated(body: bytes, encoding: str, output: _Output) -> Iterator[bytes]:
    window = _WINDOWS[encoding]
    members = 0
    stream: zlib._Decompress | None = None
    for start in range(0, len(body), _FED):
        fed = body[start : start + _FED]
        while fed:
            if stream is None:
                stream = zlib.decompressobj(window)
                members += 1
                if members > _MEMBERS:
                    raise BadEncoding(f"{encoding}: more than {_MEMBERS} members")
            yield output.step(stream, fed)
            if stream.eof:
                fed, stream = stream.unused_data, None
            else:
                fed = stream.unconsumed_tail
    while stream is not None:  # the rest of the output, after the last input
        piece = output.step(stream, b"")
        if stream.eof:
            stream = None
        elif not piece:
            raise BadEncoding(f"{encoding}: the body is cut off")
        yield piece


class _Output:
    """Counts what is produced."""

    def __init__(self, encoding: str, limit: int) -> None:
        self._encoding = encoding
        self._limit = self._room = limit

    def step(self, stream: zlib._Decompress, fed: bytes) -> bytes:
        try:
            piece = stream.decompress(fed, _PIECE)
        except zlib.error as error:
            raise BadEncoding(f"{self._encoding}: {error}") from error
        return self.counted(piece)

    def counted(self, piece: bytes) -> bytes:
        self._room -= len(piece)
        if self._room < 0:
            raise BodyTooLarge(f"the body is larger than {self._limit} bytes")
        return piece
