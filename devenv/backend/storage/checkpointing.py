"""Writes the checkpoints of ended segments in another thread: to compress takes longer than a record may wait."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from devenv.backend.storage.checkpoint_file import SegmentEnd, encode
from devenv.backend.store.checkpoints import EndedSegment, checkpoint
from devenv.immutable import immutable

MOST = 4
"""Segments that may wait: each of them has its traces in memory, also those that are evicted meanwhile."""

_logger = logging.getLogger(__name__)


@immutable()
class _Work:
    path: Path
    run: Callable[[], None]


class Checkpointing:
    """Writes and removes the files of checkpoints, in the order of the calls.

    A checkpoint that cannot be written is left out: opening then takes longer, and nothing is lost.

    Args:
        sizes: bytes of the files that exist, by the number of their segment.

    Attributes:
        sizes: those of the present files.
        failure: why a checkpoint, the last one of these, was not written, in a sentence; empty: all were.
    """

    def __init__(self, sizes: Mapping[int, int]) -> None:
        self.sizes = dict(sizes)
        self.failure = ""
        self._changed = threading.Condition()
        self._work: deque[_Work] = deque()
        self._busy = False
        self._closed = False
        self._thread: threading.Thread | None = None

    def write(self, path: Path, ended: EndedSegment, end: SegmentEnd) -> None:
        """Write the checkpoint of a segment soon; not if too many are waiting: its segment gets one when it is read."""
        if len(self._work) < MOST:
            self._add(_Work(path, lambda: self._write(path, ended, end)))

    def remove(self, path: Path, number: int) -> None:
        """Remove the file of a segment after it was written, if it was."""
        if self._thread is not None or number in self.sizes:
            self._add(_Work(path, lambda: self._remove(path, number)))

    def _add(self, work: _Work) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="devenv-checkpoints", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # the system has no more threads
                self._fail(work.path, error)
                return
            self._thread = thread
        with self._changed:
            self._work.append(work)
            self._changed.notify_all()

    def flush(self) -> None:
        """Wait until all is done, or has failed."""
        with self._changed:
            self._changed.wait_for(lambda: not self._work and not self._busy)

    def close(self) -> None:
        """Do what is left and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._work or self._closed)
                if not self._work:
                    return
                work = self._work.popleft()
                self._busy = True
            try:
                work.run()
            except Exception as error:  # noqa: BLE001 - told; a waiting flush and the next segments must not wait for ever
                self._fail(work.path, error)
            del work  # it has the traces of a segment

    def _fail(self, path: Path, error: Exception) -> None:
        what = error.strerror or str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        self.failure = f"cannot write {path}: {what}; its segment will be read instead, which takes longer"
        _logger.warning("%s", self.failure, exc_info=None if isinstance(error, OSError) else error)

    def _write(self, path: Path, ended: EndedSegment, end: SegmentEnd) -> None:
        content = encode(end, checkpoint(ended))
        temporary = path.with_suffix(".new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            with open(temporary, "wb", opener=lambda name, _: os.open(name, flags, 0o600)) as file:
                file.write(content)
            temporary.replace(path)
        except OSError:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        self.sizes[end.number] = len(content)

    def _remove(self, path: Path, number: int) -> None:
        with suppress(OSError):  # a checkpoint without its segment is removed when the folder is opened
            path.unlink(missing_ok=True)
        self.sizes.pop(number, None)
