"""Reads the checkpoints of a folder: which segments have one that fits, and what it adds to the stores."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from mmap import ACCESS_READ, mmap
from pathlib import Path

from devenv.backend.logs.records import LogAddition
from devenv.backend.logs.store import LogStore
from devenv.backend.storage.checkpoint_file import CheckpointReader, SegmentEnd, UnusableHereError
from devenv.backend.storage.folder import Folder, SegmentFile
from devenv.backend.storage.framing import HEAD_BYTES, Damaged, record_at
from devenv.backend.storage.journal import LOGS, SCOPE
from devenv.backend.storage.log_records import decode_logs
from devenv.backend.storage.packing import BodyReader
from devenv.backend.storage.span_records import decode_scope
from devenv.backend.store.checkpoint_restoration import restore
from devenv.backend.store.store import Store
from devenv.disk import open_regular_file, remove_file
from devenv.immutable import immutable
from devenv.otlp.batches import Batch
from devenv.otlp.wire import TooLarge, Undecodable

_logger = logging.getLogger(__name__)


@immutable()
class Restored:
    """What a segment's checkpoint has added: spans, log records, and the bytes of log records that were damaged."""

    spans: int
    log_records: int
    damaged: int


class Checkpoints:
    """The checkpoints of a folder; the store's new scopes get numbers that none of them has.

    Args:
        folder: those that fit no segment are removed from it.
        segments: that are going to be restored, the oldest first.
        store: of the traces.
        logs: of the log records.

    Attributes:
        sizes: of their files, by the number of the segment.
        notices: which ones were damaged or cannot be read, in sentences.

    Raises:
        EnvironmentFailure: If one cannot be removed.
    """

    def __init__(self, folder: Folder, segments: Sequence[SegmentFile], store: Store, logs: LogStore) -> None:
        self._folder = folder
        self._store = store
        self._logs = logs
        self._found: dict[int, CheckpointReader] = {}
        self._notices: list[str] = []
        self.sizes = folder.checkpoints(each.number for each in segments)
        for segment in segments:
            if segment.number in self.sizes:
                self._read(segment)

    def _read(self, segment: SegmentFile) -> None:
        path = self._folder.checkpoint_path(segment.number)
        try:
            reader = CheckpointReader(mapped(path) if self.sizes[segment.number] else b"")
            fits = _fits(reader.end, segment)
        except Damaged:
            self._leave_out(segment.number)
            return
        except UnusableHereError as error:
            self._replace(segment.number, str(error))
            return
        except OSError as error:
            self._tell(f"cannot read {path}: {error.strerror or error}; its segment was read instead")
            return
        if not fits:
            self._replace(segment.number, "not that of the segment")
            return
        self._found[segment.number] = reader
        self._store.scopes.next = max(self._store.scopes.next, reader.following)

    def restore(self, segment: SegmentFile) -> Restored | None:
        """Add a segment to the stores; return ``None`` if it has to be read, and nothing was added."""
        reader = self._found.pop(segment.number, None)
        if reader is None:
            return None
        try:
            logs = _logs(segment, reader.end.logs)
        except (Damaged, OSError):
            return None  # the segment is damaged: to read it tells how
        try:
            spans = restore(self._store, segment.number, reader.checkpoint())
        except (Damaged, Undecodable, TooLarge):
            self._leave_out(segment.number)
            return None
        except UnusableHereError as error:
            self._replace(segment.number, str(error))
            return None
        records = damaged = 0
        for batch, addition in logs:
            try:
                self._logs.restore(batch, addition)
                records += len(addition.payloads)
            except (Undecodable, TooLarge):
                damaged += sum(map(len, addition.payloads))
        return Restored(spans, records, damaged)

    def _leave_out(self, number: int) -> None:
        self._tell(f"{self._folder.checkpoint_path(number)} was damaged; its segment was read instead")
        self._remove(number)

    def _replace(self, number: int, why: str) -> None:
        # As a rule after a kill, when the end of the segment was not written any more, or by another version.
        _logger.info("removed %s: %s; its segment is read instead", self._folder.checkpoint_path(number), why)
        self._remove(number)

    def _tell(self, notice: str) -> None:
        self._notices.append(notice)
        _logger.warning("%s", notice)

    def _remove(self, number: int) -> None:
        del self.sizes[number]
        remove_file(self._folder.checkpoint_path(number))

    @property
    def notices(self) -> tuple[str, ...]:
        """Which ones were damaged or cannot be read, in sentences."""
        return tuple(self._notices)


def mapped(path: Path) -> mmap:
    """Return the content of a file, whose size does not change: only what has opened the folder writes to it.

    To read it takes twenty times as long, most of it for the memory of the copy.

    Raises:
        OSError: If it cannot be read.
    """
    with open_regular_file(path) as file:
        return mmap(file.fileno(), 0, access=ACCESS_READ)


def _fits(end: SegmentEnd, segment: SegmentFile) -> bool:
    if (end.number, end.size) != (segment.number, segment.size):
        return False
    with open_regular_file(segment.path) as file:
        file.seek(end.last)
        return file.read(HEAD_BYTES) == end.head


def _logs(segment: SegmentFile, places: Sequence[int]) -> list[tuple[Batch, LogAddition]]:
    if not places:
        return []
    scopes: dict[int, Batch] = {}
    found = []
    with mapped(segment.path) as content:
        for place in places:
            record = record_at(content, place)
            body = BodyReader(content, record.begin, record.end)
            if record.kind == SCOPE:
                number, batch = decode_scope(body)
                scopes[number] = batch
            elif record.kind == LOGS:
                number, addition = decode_logs(body)
                if number not in scopes:
                    raise Damaged("a scope is missing")
                found.append((scopes[number], addition))
    return found
