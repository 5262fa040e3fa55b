"""The journal of the stores: what they add goes to the newest segment, and old segments are removed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from devenv.backend.logs.records import LogAddition
from devenv.backend.logs.store import LogStore
from devenv.backend.settings import StorageSettings
from devenv.backend.storage.checkpoint_file import SegmentEnd
from devenv.backend.storage.checkpointing import Checkpointing
from devenv.backend.storage.folder import Folder, SegmentFile
from devenv.backend.storage.framing import HEAD_BYTES, framed
from devenv.backend.storage.log_records import encode_logs
from devenv.backend.storage.span_records import encode_scope, encode_spans
from devenv.backend.storage.writer import Writer
from devenv.backend.store.additions import BatchAddition, Kept
from devenv.backend.store.checkpoints import SegmentAdditions
from devenv.backend.store.scopes import Key, Scope
from devenv.backend.store.store import Store

SCOPE = b"S"
SPANS = b"T"
LOGS = b"L"
_PRUNING_S = 1.0

_logger = logging.getLogger(__name__)


class FileJournal:
    """Appends to a new segment of a folder.

    Implements :class:`devenv.backend.store.additions.Journal` and :class:`devenv.backend.logs.records.LogJournal`.

    Args:
        folder: the folder.
        store: its current segment is set, and says which segments have no trace that is still stored.
        logs: says which segments have no log record that is still stored.
        segments: those that are on disk, the oldest first.
        checkpoints: writes those of the segments that end from now on.
        settings: the limits.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        folder: Folder,
        store: Store,
        logs: LogStore,
        segments: Sequence[SegmentFile],
        checkpoints: Checkpointing,
        settings: StorageSettings,
        clock: Callable[[], float],
    ) -> None:
        self._folder = folder
        self._store = store
        self._logs = logs
        self._settings = settings
        self._clock = clock
        self._old = list(segments)
        self._scopes: dict[Key, int] = {}
        self._writer = Writer(self._failed)
        self._checkpoints = checkpoints
        self._pruned = self._begun = self._written = clock()
        self._begin(segments[-1].number + 1 if segments else 1)

    def _begin(self, number: int) -> None:
        self._number = number
        self._path = self._folder.segment_path(number)
        self._size = 0
        self._last = 0, b""
        self._log_records: list[int] = []
        self._has_logs = False
        self._additions = SegmentAdditions(number)
        self._begun = self._clock()
        self._scopes.clear()
        self._store.segment = number

    def add(self, scope: Scope, addition: BatchAddition, kept: Kept) -> None:
        """Append the record of an addition, before it that of its scope if the segment has none yet."""
        payloads = [payload for _, payload, _ in kept]
        self._append(framed(SPANS, encode_spans(self._number_of(scope.key), addition, payloads)))
        self._additions.add(scope, addition, kept)
        self._continue()

    def add_logs(self, key: Key, addition: LogAddition) -> None:
        """Append the record of log records, before it that of their scope if the segment has none yet."""
        number = self._number_of(key)
        self._log_records.append(self._size)
        self._has_logs = True
        self._append(framed(LOGS, encode_logs(number, addition)))
        self._continue()

    def _number_of(self, key: Key) -> int:
        number = self._scopes.get(key)
        if number is None:
            number = self._scopes[key] = len(self._scopes)
            self._log_records.append(self._size)
            self._append(framed(SCOPE, encode_scope(number, key)))
        return number

    def _continue(self) -> None:
        self._written = now = self._clock()
        # After an addition, not before: it knows the segment in which its traces began.
        if self._size >= self._settings.segment_bytes or now - self._pruned >= _PRUNING_S:
            self.prune()

    def _append(self, record: bytes) -> None:
        self._last = self._size, record[:HEAD_BYTES]
        self._size += len(record)
        self._writer.append(self._path, record)

    def prune(self) -> None:
        """Begin a new segment if it is time to; remove old ones of which nothing is stored, or above the limit."""
        self._pruned = now = self._clock()
        full = self._size >= self._settings.segment_bytes
        if full or (self._size and now - self._begun >= self._settings.segment_seconds):
            self._end()
            self._begin(self._number + 1)
        while self._old:
            oldest = self._old[0]
            needed = self._store.begun[oldest.number] > 0 or self._logs.oldest < oldest.logs_end
            if needed and self.bytes <= self._settings.max_bytes:
                return
            del self._old[0]
            self._store.begun.pop(oldest.number, None)
            self._writer.remove(oldest.path)
            self._checkpoints.remove(self._folder.checkpoint_path(oldest.number), oldest.number)

    def _end(self) -> None:
        self._old.append(SegmentFile(self._number, self._path, self._size, self._written, self._logs.next))
        if self._writer.error is not None:
            return
        end = SegmentEnd(self._number, self._size, *self._last, self._log_records if self._has_logs else ())
        self._checkpoints.write(self._folder.checkpoint_path(self._number), self._additions.end(), end)

    def expire(self) -> None:
        """Evict what is above the limit of age, and remove its segments; not while something is added."""
        self.prune()
        now = self._clock()
        for segment in self._old:
            if now - segment.written < self._settings.max_age:
                break
            self._store.expire(segment.number)
            self._logs.expire(segment.logs_end)
        self.prune()

    @property
    def bytes(self) -> int:
        """Size of all segments and their checkpoints."""
        sizes = self._checkpoints.sizes
        return self._size + sum(each.size + sizes.get(each.number, 0) for each in self._old)

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
            f"cannot write {self._folder.path}: {error.strerror or error}; since then, traces and log records are in "
            "memory only, until the trace backend is started again"
        )

    def _failed(self) -> None:
        _logger.warning("%s", self.error)

    def flush(self) -> None:
        """Wait until everything is written, or has failed."""
        self._writer.flush()
        self._checkpoints.flush()

    def close(self) -> None:
        """Write what is left, and the checkpoint of the newest segment."""
        self._writer.close()
        if self._size:
            self._end()
        self._checkpoints.close()
