"""Numbers and pieces of bytes in the body of a record; all numbers are little-endian."""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Sequence
from itertools import accumulate, chain
from mmap import mmap

from devenv.backend.storage.framing import Damaged
from devenv.backend.store.additions import Pieces

_SWAPPED = sys.byteorder == "big"


def words(code: str, numbers: Sequence[int]) -> bytes:
    """Return numbers as words of a type code of ``array``."""
    found = array(code, numbers)
    if _SWAPPED:
        found.byteswap()
    return found.tobytes()


def equal_slices(content: bytes, size: int) -> list[bytes]:
    """Return the pieces of one size."""
    return list(chain.from_iterable(struct.iter_unpack(f"{size}s", content)))


def check_positions(positions: Sequence[int], count: int) -> None:
    """Check that each position is one of a list of ``count``.

    Raises:
        Damaged: If one is not.
    """
    if positions and max(positions) >= count:
        raise Damaged("a position beyond its list")


class BodyReader:
    """Takes pieces off a record's body, which ``content`` has from ``begin`` to ``end``.

    Each method raises :class:`Damaged` if the body has less, or more if all of it is taken.
    """

    def __init__(self, content: bytes | mmap, begin: int, end: int) -> None:
        self._content = content
        self._at = begin
        self._end = end

    @property
    def left(self) -> int:
        """Bytes that were not taken."""
        return self._end - self._at

    def take(self, size: int) -> bytes:
        """Take ``size`` bytes."""
        begin, self._at = self._at, self._at + size
        if self._at > self._end:
            raise Damaged("shorter than it says")
        return self._content[begin : self._at]

    def unpack(self, shape: struct.Struct) -> tuple[int, ...]:
        """Take numbers."""
        return shape.unpack(self.take(shape.size))

    def words(self, code: str, count: int) -> array[int]:
        """Take ``count`` words of a type code of ``array``."""
        found = array(code)
        found.frombytes(self.take(count * found.itemsize))
        if _SWAPPED:
            found.byteswap()
        return found

    def pieces(self, sizes: array[int]) -> Pieces:
        """Take what is left: pieces of these sizes."""
        begins = list(accumulate(sizes, initial=self._at))
        if begins.pop() != self._end:
            raise Damaged("pieces of another length")
        return Pieces(self._content, begins, sizes)
