"""Records in a file: each with a head that says its kind and length, and with checksums of head and body.

A record is 16 bytes of head and its body. The head has a mark (``dv1``), the kind (one byte), the body's length, the
CRC-32 of the body, and the CRC-32 of the head before it; all numbers are little-endian. A reader finds the next record
after damage by the mark.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from mmap import mmap

from devenv.immutable import immutable

MARK = b"dv1"
_HEAD = struct.Struct("<3scII")
_SUM = struct.Struct("<I")
HEAD_BYTES = _HEAD.size + _SUM.size


class Damaged(ValueError):
    """A record that was not written so."""


@immutable()
class FramedRecord:
    """A record of a file: its kind, and where its body is. Without a kind: bytes that are damaged."""

    kind: bytes
    begin: int
    end: int


def framed(kind: bytes, parts: Sequence[bytes]) -> bytes:
    """Return a record of ``kind``, whose body are ``parts`` together."""
    body = b"".join(parts)
    head = _HEAD.pack(MARK, kind, len(body), zlib.crc32(body))
    return b"".join((head, _SUM.pack(zlib.crc32(head)), body))


def records(content: bytes | mmap) -> Iterator[FramedRecord]:
    """Yield the records of a file's content, and one without a kind for each piece of it that is damaged."""
    data = memoryview(content)
    at = 0
    while at < len(data):
        found = _record(data, at)
        if found is None:
            found = FramedRecord(b"", at, _next(content, at + 1))
        yield found
        at = found.end


def record_at(content: bytes | mmap, at: int) -> FramedRecord:
    """Return the record that begins at a place.

    Raises:
        Damaged: If none does, or if it is damaged.
    """
    found = _record(memoryview(content), at)
    if found is None or not found.kind:
        raise Damaged("no record")
    return found


def _record(data: memoryview, at: int) -> FramedRecord | None:
    if len(data) - at < HEAD_BYTES:
        return None
    head = data[at : at + _HEAD.size]
    mark, kind, size, checksum = _HEAD.unpack(head)
    begin = at + HEAD_BYTES
    if mark != MARK or zlib.crc32(head) != _SUM.unpack_from(data, at + _HEAD.size)[0] or size > len(data) - begin:
        return None
    end = begin + size
    whole = zlib.crc32(data[begin:end]) == checksum
    return FramedRecord(kind, begin, end) if whole else FramedRecord(b"", at, end)


def _next(content: bytes | mmap, at: int) -> int:
    # Where a whole head follows; else the end.
    while True:
        at = content.find(MARK, at)
        if at < 0:
            return len(content)
        if len(content) - at >= HEAD_BYTES:
            head = content[at : at + _HEAD.size]
            if zlib.crc32(head) == _SUM.unpack_from(content, at + _HEAD.size)[0]:
                return at
        at += 1
