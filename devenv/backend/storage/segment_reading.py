"""Reads a segment that has no checkpoint, record by record; what is damaged is left out and told."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import suppress
from dataclasses import replace
from mmap import mmap

from devenv.backend.logs.store import LogStore
from devenv.backend.storage.checkpoint_file import SegmentEnd
from devenv.backend.storage.checkpoint_reading import mapped
from devenv.backend.storage.folder import SegmentFile
from devenv.backend.storage.framing import HEAD_BYTES, Damaged, FramedRecord, records
from devenv.backend.storage.journal import LOGS, SCOPE, SPANS
from devenv.backend.storage.log_records import decode_logs
from devenv.backend.storage.packing import BodyReader
from devenv.backend.storage.span_records import decode_scope, decode_spans
from devenv.backend.store.checkpoints import EndedSegment
from devenv.backend.store.restoration import Restoration
from devenv.backend.store.store import Store
from devenv.disk import not_read
from devenv.immutable import immutable
from devenv.otlp.batches import Batch
from devenv.otlp.wire import TooLarge, Undecodable


@immutable()
class Damage:
    """Damaged bytes of a segment; ``cut`` if they were its end, and were removed."""

    file: str
    bytes: int
    cut: bool


class SegmentReading:
    """Adds what a segment has to the stores again.

    Attributes:
        segment: the file; after :meth:`steps`, without a damaged end.
        spans: the number of those that were added.
        log_records: the number of those that were added.
        damages: what was left out.
        ended: what a checkpoint of the segment is made of; None if it must not have one.
    """

    def __init__(self, segment: SegmentFile, store: Store, logs: LogStore) -> None:
        self.segment = segment
        self.spans = 0
        self.log_records = 0
        self.damages: list[Damage] = []
        self.ended: tuple[EndedSegment, SegmentEnd] | None = None
        self._store = store
        self._logs = logs
        self._scopes: dict[int, Batch] = {}
        self._restoration = Restoration(store, segment.number)
        # For a checkpoint: the last record and its head, the places of those that are needed for log records, and
        # whether all of them could be read.
        self._last = 0, b""
        self._places: list[int] = []
        self._understood = True

    def steps(self) -> Generator[None, None, None]:
        """Read it, with a pause after each record.

        Raises:
            EnvironmentFailure: If it cannot be read.
        """
        name, size = self.segment.path.name, self.segment.size
        damaged = end = 0
        if size:
            try:
                content = mapped(self.segment.path)
            except OSError as error:
                raise not_read(self.segment.path, error) from error
            with content:
                size = len(content)
                for record in records(content):
                    damaged += 0 if self._added(record, content) else record.end - record.begin
                    if record.kind:
                        end = record.end
                        place = record.begin - HEAD_BYTES
                        self._last = place, content[place : record.begin]
                    yield
                self.spans = self._restoration.finish()
                tail = size - end
                if end and damaged == tail and self._understood:
                    places = self._places if self.log_records else ()
                    self.ended = self._restoration.ended(), SegmentEnd(self.segment.number, end, *self._last, places)
            yield
            if damaged - tail > 0:
                self.damages.append(Damage(name, damaged - tail, cut=False))
            if tail:
                with suppress(OSError):  # it is left out all the same
                    os.truncate(self.segment.path, end)
                self.damages.append(Damage(name, tail, cut=True))
        self.segment = replace(self.segment, size=end, logs_end=self._logs.next)

    def _added(self, record: FramedRecord, content: bytes | mmap) -> bool:
        """Return whether a record could be read. One of a later version's kind is left out."""
        kind, reader = record.kind, BodyReader(content, record.begin, record.end)
        try:
            if kind == SCOPE:
                number, batch = decode_scope(reader)
                self._scopes[number] = batch
                self._places.append(record.begin - HEAD_BYTES)
            elif kind == SPANS:
                number, addition, pieces = decode_spans(reader)
                if number not in self._scopes:
                    return False
                self._restoration.add(self._scopes[number], addition, pieces)
            elif kind == LOGS:
                number, logs = decode_logs(reader)
                if number not in self._scopes:
                    return False
                self._logs.restore(self._scopes[number], logs)
                self.log_records += len(logs.payloads)
                self._places.append(record.begin - HEAD_BYTES)
            elif kind:
                self._understood = False  # a checkpoint would hide it from the version that knows it
        except (Damaged, Undecodable, TooLarge):
            return False
        return kind != b""
