"""Older traces of a service, compressed together: spans of one service repeat their names and attributes.

A trace alone would stay twice as large, and take ten times as long to compress. A pack is read again as a whole, so
the newest traces, which are searched most, are not packed.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import cached_property, lru_cache
from importlib.util import find_spec
from itertools import accumulate
from threading import local
from typing import Any, cast

PACK_BYTES = 32 * 1024
"""Encoded traces in a pack; it is read in some 30 µs."""
LARGEST = PACK_BYTES // 2
"""A larger trace is not packed: it is read in steps, and a pack is read in one."""
# A thirtieth of the default's time, for a tenth more bytes.
_LEVEL = -1
_WORTH = 0.75
# Memory of a pack beside its content, and of each of its traces, measured with CPython 3.11 and rounded up.
_OVERHEAD = 300
_MEMBER = 4


class Pack:
    """Encoded traces, compressed; they do not change. ``members`` is the number of those that still refer to it."""

    __slots__ = ("_ends", "content", "cost", "members")

    def __init__(self, content: bytes, sizes: Sequence[int]) -> None:
        self.content = content
        self._ends = array("I", accumulate(sizes, initial=0))
        self.members = len(sizes)
        self.cost = len(content) + _OVERHEAD + _MEMBER * self.members

    def raw(self, place: int) -> bytes:
        """Return the encoded trace at ``place``."""
        return self.cut(_opened(self), place)

    def cut(self, opened: bytes, place: int) -> bytes:
        """Return the encoded trace at ``place`` from what :meth:`opened` returned."""
        return opened[self._ends[place] : self._ends[place + 1]]

    def leave(self, place: int) -> bytes:
        """Return the encoded trace at ``place``, which does not refer to the pack any more."""
        self.members -= 1
        return self.raw(place)

    def opened(self) -> bytes:
        """Return all of them, joined."""
        return cast("bytes", _tools.decompressor.decompress(self.content))


# A search meets the traces in order of arrival: in turn those of the packs of all services where requests begin.
@lru_cache(maxsize=64)
def _opened(pack: Pack) -> bytes:
    return pack.opened()


def packed(raws: Sequence[bytes]) -> Pack | None:
    """Return encoded traces as a pack; ``None`` if that saves little."""
    joined = b"".join(raws)
    content = _tools.compressor.compress(joined)
    if len(content) > _WORTH * len(joined):
        return None
    # A copy: zstandard returns bytes in the memory of the longest result that there could have been.
    return Pack(bytes(memoryview(content)), list(map(len, raws)))


class _Tools(local):
    """The compressor and the decompressor of a thread: two threads must not use one at the same time."""

    @cached_property
    def compressor(self) -> Any:
        import zstandard

        return zstandard.ZstdCompressor(level=_LEVEL)

    @cached_property
    def decompressor(self) -> Any:
        import zstandard

        return zstandard.ZstdDecompressor()


_tools = _Tools()
AVAILABLE = find_spec("zstandard") is not None
"""Whether the library is installed; the command line's extra installs it. Without it, nothing is packed."""
