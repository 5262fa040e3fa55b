"""Output of an instance on disk: one line ``<seconds> <1|2> <text>`` each, in files that are rotated by size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO

MAX_BYTES = 8 * 2**20
KEPT = 2
"""Rotated files beside the current one: ``<id>.log.1`` is the newest of them."""


class LogFile:
    """Appends lines; a file over its size becomes ``.1``, and the oldest goes."""

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES, kept: int = KEPT) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._kept = kept
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file: BinaryIO = path.open("ab")
        self._size = self._file.tell()

    def write(self, time: float, stream: int, text: bytes) -> None:
        """Append one line; ``stream`` is 1 for stdout and 2 for stderr."""
        line = b"%.6f %d %s\n" % (time, stream, text)
        if self._size and self._size + len(line) > self._max_bytes:
            self._rotate()
        self._file.write(line)
        self._file.flush()
        self._size += len(line)

    def close(self) -> None:
        """Close the current file."""
        self._file.close()

    def _rotate(self) -> None:
        self._file.close()
        for number in range(self._kept - 1, 0, -1):
            older = rotated(self._path, number)
            if older.exists():
                older.replace(rotated(self._path, number + 1))
        self._path.replace(rotated(self._path, 1))
        self._file = self._path.open("ab")
        self._size = 0


def rotated(path: Path, number: int) -> Path:
    """Name of the ``number``-th rotated file."""
    return path.with_name(f"{path.name}.{number}")


def remove(path: Path) -> None:
    """Remove a log with all that was rotated out of it."""
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink(missing_ok=True)
