"""Records one row per request: packed into a chunk in memory, then into the run's file, so that memory is bounded."""

from __future__ import annotations

import struct
from array import array
from pathlib import Path
from types import TracebackType
from typing import Self

from devenv.disk import not_written
from devenv.load.send.flight import Flight
from devenv.model.run import ROW_FORMAT, RequestError, RowFlag

_ROW = struct.Struct(ROW_FORMAT)
_CHUNK = 4096
_SAMPLED, _RETRIED = int(RowFlag.SAMPLED), int(RowFlag.RETRIED)  # arithmetic of flags is slow
UNKNOWN_CLASS = 255
"""``trace_class`` of a row before verification."""


class Recorder:
    """A writer of rows, in order of completion.

    Attributes:
        rows: number of rows added.
        failed: number of rows with an error.
        fresh: response times in nanoseconds since the last :meth:`take_fresh`, for the live histogram.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            raise not_written(path, error) from error
        self._chunk = bytearray(_ROW.size * _CHUNK)
        self._filled = 0
        self.rows = 0
        self.failed = 0
        self.fresh = array("q")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, flight: Flight, end: int, status: int, error: RequestError) -> None:
        """Add a finished request; ``end`` in nanoseconds since the start of the run."""
        _ROW.pack_into(
            self._chunk,
            self._filled,
            flight.intended,
            flight.actual,
            end,
            status,
            error,
            (_SAMPLED if flight.sampled else 0) + (_RETRIED if flight.retried else 0),
            UNKNOWN_CLASS,
            flight.number,
            flight.trace_id,
            flight.span_id,
        )
        self._filled += _ROW.size
        self.rows += 1
        if error:
            self.failed += 1
        self.fresh.append(end - flight.intended)
        if self._filled == len(self._chunk):
            self.flush()

    def take_fresh(self) -> array[int]:
        """Return the response times since the last call, in nanoseconds."""
        taken, self.fresh = self.fresh, array("q")
        return taken

    def flush(self) -> None:
        """Write the rows in memory to the file.

        Raises:
            DiskFull: If no space is left; the file is closed.
            EnvironmentFailure: If it cannot be written for another reason; the file is closed.
        """
        view = memoryview(self._chunk)[: self._filled]
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            self._file.close()
            raise not_written(self._path, error) from error
        self._filled = 0

    def close(self) -> None:
        """Write the remaining rows and close the file."""
        if not self._file.closed:
            self.flush()
            self._file.close()
