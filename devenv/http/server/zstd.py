"""Decompression of zstd (RFC 8878), block by block: a block has at most 128 KiB of output, whatever its input."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from devenv.http.server.body_errors import BadEncoding

AVAILABLE = find_spec("zstandard") is not None
"""Whether the library is installed; the command line's extra installs it."""
# What RFC 8878, 3.1.1.1.2, recommends decoders to support; it is the memory of a decoder.
_WINDOW = 8 * 1024 * 1024
# 64 MiB of output have 512 full blocks.
_MOST_BLOCKS = 4096
_SKIPPABLE = 0x184D2A50
_LONGEST_HEADER = 18
_RLE = 1


def zstd_blocks(body: bytes) -> Iterator[bytes]:
    """Yield the output of each block.

    Raises:
        BadEncoding: If the body is not zstd, is cut off, needs too large a window, or has too many blocks.
    """
    import zstandard

    position = count = 0
    while position < len(body):
        if int.from_bytes(body[position : position + 4], "little") & ~0xF == _SKIPPABLE:
            count += 1
            size = int.from_bytes(body[position + 4 : position + 8], "little")
            position = _within(body, position + 8 + size, count)
            continue
        try:
            head = bytes(body[position : position + _LONGEST_HEADER])
            stop = position + zstandard.frame_header_size(head)
            checksum = 4 if zstandard.get_frame_parameters(head).has_checksum else 0
            stream = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj()
            last = False
            while not last:
                count += 1
                block = int.from_bytes(body[stop : stop + 3], "little")
                last, kind, size = bool(block & 1), block >> 1 & 3, block >> 3
                stop += 3 + (1 if kind == _RLE else size) + (checksum if last else 0)
                _within(body, stop, count)
                yield stream.decompress(body[position:stop])
                position = stop
        except zstandard.ZstdError as error:
            raise BadEncoding(f"zstd: {error}") from error


def _within(body: bytes, stop: int, count: int) -> int:
    if stop > len(body):
        raise BadEncoding("zstd: the body is cut off")
    if count > _MOST_BLOCKS:
        raise BadEncoding(f"zstd: more than {_MOST_BLOCKS} blocks")
    return stop
