"""The journal of a store: what it adds goes to the newest segment, and old segments are removed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from devenv.backend.settings import StorageSettings
from devenv.backend.storage.folder import Folder, SegmentFile
from devenv.backend.storage.framing import framed
from devenv.backend.storage.span_records import encode_scope, encode_spans
from devenv.backend.storage.writer import Writer
from devenv.backend.store.additions import BatchAddition
from devenv.backend.store.scopes import Scope
from devenv.backend.store.store import Store

SCOPE = b"S"
SPANS = b"T"
_PRUNING_S = 1.0

_logger = logging.getLogger(__name__)


class FileJournal:
    """Appends to a new segment of a folder; implements :class:`devenv.backend.store.additions.Journal`.

    Args:
        folder: the folder.
        store: its current segment is set, and says which segments have no trace that is still stored.
        segments: those that are on disk, the oldest first.
        settings: the limits.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        folder: Folder,
        store: Store,
        segments: Sequence[SegmentFile],
        settings: StorageSettings,
        clock: Callable[[], float],
    ) -> None:
        self._folder = folder
        self._store = store
        self._settings = settings
        self._clock = clock
        self._old = list(segments)
        self._scopes: dict[Scope, int] = {}
        self._writer = Writer(self._failed)
        self._pruned = self._begun = self._written = clock()
        self._begin(segments[-1].number + 1 if segments else 1)

    def _begin(self, number: int) -> None:
        self._number = number
        self._path = self._folder.segment_path(number)
        self._size = 0
        self._begun = self._clock()
        self._scopes.clear()
        self._store.segment = number

    def add(self, scope: Scope, addition: BatchAddition) -> None:
        """Append the record of an addition, before it that of its scope if the segment has none yet."""
        number = self._scopes.get(scope)
        if number is None:
            number = self._scopes[scope] = len(self._scopes)
            self._append(framed(SCOPE, encode_scope(number, scope.key)))
        self._append(framed(SPANS, encode_spans(number, addition)))
        self._written = now = self._clock()
        if self._size >= self._settings.segment_bytes or now - self._begun >= self._settings.segment_seconds:
            # After it, not before: the addition knows the segment in which its traces began.
            self._old.append(SegmentFile(self._number, self._path, self._size, now))
            self._begin(self._number + 1)
            self.prune()
        elif now - self._pruned >= _PRUNING_S:
            self.prune()

    def _append(self, record: bytes) -> None:
        self._size += len(record)
        self._writer.append(self._path, record)

    def prune(self) -> None:
        """Remove the oldest segments: without a stored trace that began there, too old, or above the limit in bytes."""
        self._pruned = now = self._clock()
        while self._old:
            oldest = self._old[0]
            if (
                self._store.begun[oldest.number] > 0
                and now - oldest.written < self._settings.max_age
                and self.bytes <= self._settings.max_bytes
            ):
                return
            del self._old[0]
            self._store.begun.pop(oldest.number, None)
            self._writer.remove(oldest.path)

    @property
    def bytes(self) -> int:
        """Size of all segments."""
        return self._size + sum(each.size for each in self._old)

    @property
    def segments(self) -> int:
        """Number of the segments."""
        return len(self._old) + (self._size > 0)

    @property
    def error(self) -> str:
        """Why nothing is written any more, in a sentence; empty: it is."""
        error = self._writer.error
        if error is None:
            return ""
        return (
            f"cannot write {self._folder.path}: {error.strerror or error}; since then, traces are in memory only, "
            "until the trace backend is started again"
        )

    def _failed(self) -> None:
        _logger.warning("%s", self.error)

    def flush(self) -> None:
        """Wait until everything is written, or has failed."""
        self._writer.flush()

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
