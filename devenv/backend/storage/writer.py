"""Writes to segments in a thread, so that a slow disk does not stop the loop; many records with one write."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic

INTERVAL = 0.05
"""Seconds for which records are collected. What is written outlives the process, not a failure of power."""
_FULL = 4 * 1024 * 1024
_MOST = 64 * 1024 * 1024


class Writer:
    """Appends records to files and removes files, in the order of the calls.

    The first error ends all writing: what is left out in between would show as incomplete traces.

    Args:
        failed: called once if a write fails, in the writer's thread.
    """

    def __init__(self, failed: Callable[[], None]) -> None:
        self._failed = failed
        self._changed = threading.Condition()
        self._items: list[tuple[Path, bytes | None]] = []
        self._pending = 0
        self._busy = False
        self._closed = False
        self._hurry = False
        self.error: OSError | None = None
        self._open: tuple[Path, int, int] | None = None
        self._thread = threading.Thread(target=self._run, name="devenv-storage", daemon=True)
        self._thread.start()

    def append(self, path: Path, record: bytes) -> None:
        """Write ``record`` at the end of ``path`` soon; waits only if the disk is 64 MiB behind."""
        with self._changed:
            if self.error is not None or self._closed:
                return
            if self._pending > _MOST:
                self._changed.wait_for(lambda: self._pending <= _MOST or self.error is not None)
            first = not self._items
            self._items.append((path, record))
            self._pending += len(record)
            if first or self._pending > _FULL:
                self._changed.notify_all()

    def remove(self, path: Path) -> None:
        """Remove a file after what was appended before."""
        with self._changed:
            self._items.append((path, None))
            self._changed.notify_all()

    def flush(self) -> None:
        """Wait until everything is written, or has failed."""
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._items and not self._busy)
            self._hurry = False

    def close(self) -> None:
        """Write what is left and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while items := self._next():
            try:
                if self.error is None:
                    self._write(items)
            except OSError as error:
                self._fail(error)
            with self._changed:
                self._pending -= sum(len(record) for _, record in items if record is not None)
                self._busy = False
                self._changed.notify_all()
        if self._open is not None:
            os.close(self._open[1])

    def _next(self) -> list[tuple[Path, bytes | None]]:
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed)
            deadline = monotonic() + INTERVAL
            while not (self._closed or self._hurry or self._pending > _FULL) and (left := deadline - monotonic()) > 0:
                self._changed.wait(left)
            items, self._items = self._items, []
            self._busy = bool(items)
            return items

    def _write(self, items: list[tuple[Path, bytes | None]]) -> None:
        run: list[bytes] = []
        target: Path | None = None
        for path, record in items:
            if run and target is not None and (record is None or path != target):
                self._append(target, b"".join(run))
                run = []
            if record is None:
                path.unlink(missing_ok=True)
            else:
                target = path
                run.append(record)
        if run and target is not None:
            self._append(target, b"".join(run))

    def _append(self, path: Path, data: bytes) -> None:
        if self._open is None or self._open[0] != path:
            if self._open is not None:
                os.close(self._open[1])
                self._open = None
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            self._open = (path, os.open(path, flags, 0o600), 0)
        _, descriptor, size = self._open
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
        self._open = (path, descriptor, size + len(data))

    def _fail(self, error: OSError) -> None:
        if self._open is not None:
            path, descriptor, size = self._open
            with suppress(OSError):  # a record cut off by it would be found as damage
                os.ftruncate(descriptor, size)
            if not size:
                with suppress(OSError):
                    path.unlink()
        with self._changed:
            self.error = error
        self._failed()
