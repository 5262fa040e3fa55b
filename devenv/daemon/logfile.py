"""Output of an instance on disk: one line ``<seconds> <1|2> <text>`` each, in files that are rotated by size."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.disk import not_written, remove_file
from devenv.engine.process.log_reader import REMOVED

if TYPE_CHECKING:
    from typing import BinaryIO

MAX_BYTES = 8 * 2**20
KEPT = 2
"""Rotated files beside the current one: ``<id>.log.1`` is the newest of them."""


class LogFile:
    """Appends lines; a file over its size becomes ``.1``, and the oldest goes.

    Raises:
        EnvironmentFailure: If it cannot be opened for the first time.
    """

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES, kept: int = KEPT) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._kept = kept
        self._whole = True
        try:
            self._open()
        except OSError as error:
            raise not_written(Path(error.filename or path), error) from error

    def write(self, time: float, stream: int, text: bytes) -> None:
        """Append one line; ``stream`` is 1 for stdout and 2 for stderr."""
        self.append(b"%.6f %d %s\n" % (time, stream, text))

    def append(self, lines: bytes) -> None:
        """Append whole lines in their stored form; all of them go into one file.

        Raises:
            OSError: If the file cannot be written; what is half written then does not join the line after.
        """
        if not self._is_in_place():
            self.close()
            self._open()
            lines = b"%b 2 %b\n%b" % (lines.partition(b" ")[0], REMOVED.encode(), lines)
        elif self._size and self._size + len(lines) > self._max_bytes:
            self._rotate()
        whole = self._whole
        self._whole = False
        written = self._file.write(lines if whole else b"\n" + lines)
        self._size += written or 0
        self._whole = written == len(lines) + (not whole)
        if not self._whole:
            raise OSError(f"{self._path}: wrote {written} of {len(lines)} bytes")

    def close(self) -> None:
        """Close the current file."""
        self._file.close()

    def _open(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file: BinaryIO = open(  # noqa: SIM115 - it stays open
            self._path, "ab", buffering=0, opener=_no_link
        )
        self._size = self._file.tell()
        self._whole = self._size == 0 or _ends_a_line(self._path)

    def _is_in_place(self) -> bool:
        """Whether the open file still has its name: ``.devenv/`` may be removed while the project is up."""
        with suppress(FileNotFoundError):
            return os.stat(self._path).st_ino == os.fstat(self._file.fileno()).st_ino  # noqa: PTH116 - as fstat
        return False

    def _rotate(self) -> None:
        self._file.close()
        for number in range(self._kept - 1, 0, -1):
            older = rotated(self._path, number)
            if older.exists():
                older.replace(rotated(self._path, number + 1))
        self._path.replace(rotated(self._path, 1))
        self._open()


def rotated(path: Path, number: int) -> Path:
    """Name of the ``number``-th rotated file."""
    return path.with_name(f"{path.name}.{number}")


def remove(path: Path) -> None:
    """Remove a log with all that was rotated out of it.

    Raises:
        EnvironmentFailure: If a file cannot be removed.
    """
    for file in path.parent.glob(f"{path.name}*"):
        remove_file(file)


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
