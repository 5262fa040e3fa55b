"""Numbers and pieces of bytes in the body of a record; all numbers are little-endian."""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Sequence
from itertools import accumulate, pairwise

from devenv.backend.storage.framing import Damaged

_SWAPPED = sys.byteorder == "big"


def words(code: str, numbers: Sequence[int]) -> bytes:
    """Return numbers as words of a type code of ``array``."""
    found = array(code, numbers)
    if _SWAPPED:
        found.byteswap()
    return found.tobytes()


def slices(content: bytes, sizes: Sequence[int]) -> list[bytes]:
    """Return the pieces of these sizes.

    Raises:
        Damaged: If they are not all of the content.
    """
    ends = list(accumulate(sizes, initial=0))
    if ends[-1] != len(content):
        raise Damaged("pieces of another length")
    return [content[begin:end] for begin, end in pairwise(ends)]


def equal_slices(content: bytes, size: int) -> list[bytes]:
    """Return the pieces of one size."""
    return [content[at : at + size] for at in range(0, len(content), size)]


def check_positions(positions: Sequence[int], count: int) -> None:
    """Check that each position is one of a list of ``count``.

    Raises:
        Damaged: If one is not.
    """
    if positions and max(positions) >= count:
        raise Damaged("a position beyond its list")


class BodyReader:
    """Takes pieces off a record's body; each method raises :class:`Damaged` if it would go beyond the end."""

    def __init__(self, body: memoryview) -> None:
        self._body = body
        self._at = 0

    def take(self, size: int) -> memoryview:
        """Take ``size`` bytes."""
        begin, self._at = self._at, self._at + size
        if self._at > len(self._body):
            raise Damaged("shorter than it says")
        return self._body[begin : self._at]

    def unpack(self, shape: struct.Struct) -> tuple[int, ...]:
        """Take numbers."""
        return shape.unpack(self.take(shape.size))

    def words(self, code: str, count: int) -> list[int]:
        """Take ``count`` words of a type code of ``array``."""
        found = array(code)
        found.frombytes(self.take(count * found.itemsize))
        if _SWAPPED:
            found.byteswap()
        return found.tolist()

    def rest(self) -> bytes:
        """Take what is left."""
        return bytes(self.take(len(self._body) - self._at))
