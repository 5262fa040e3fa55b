"""Opens the folder of a storage: what it has is added to the stores again, what is damaged is left out and told."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import replace
from mmap import ACCESS_READ, mmap
from pathlib import Path
from time import monotonic, process_time, time
from typing import Any

from devenv.backend.logs.store import LogStore
from devenv.backend.settings import StorageSettings
from devenv.backend.storage.folder import Folder, SegmentFile
from devenv.backend.storage.framing import Damaged, records
from devenv.backend.storage.journal import LOGS, SCOPE, SPANS, FileJournal
from devenv.backend.storage.log_records import decode_logs
from devenv.backend.storage.packing import BodyReader
from devenv.backend.storage.span_records import decode_scope, decode_spans
from devenv.backend.store.restoration import Restoration
from devenv.backend.store.store import Store
from devenv.disk import not_read, not_removed, open_regular_file
from devenv.immutable import immutable
from devenv.model.counts import plural
from devenv.otlp.batches import Batch
from devenv.otlp.wire import TooLarge, Undecodable

_logger = logging.getLogger(__name__)


@immutable()
class Damage:
    """Damaged bytes of a segment; ``cut`` if they were its end, and were removed."""

    file: str
    bytes: int
    cut: bool


class Storage:
    """An open folder, whose traces and log records are in the stores; what they add from now on is written to it."""

    def __init__(
        self, settings: StorageSettings, store: Store, logs: LogStore, clock: Callable[[], float] = time
    ) -> None:
        self._settings = settings
        self._store = store
        self._logs = logs
        self._clock = clock
        self._folder = Folder(settings.directory)
        self._journal: FileJournal | None = None
        self._damages: list[Damage] = []
        self.restored = 0
        self.restored_logs = 0
        self._seconds = self._cpu_seconds = 0.0

    def steps(self) -> Generator[None, None, None]:
        """Read the folder, with a pause after each record; it has to be closed by :meth:`close` also if this fails.

        Raises:
            EnvironmentFailure: If a segment cannot be read, or an old one not be removed.
        """
        begun, worked = monotonic(), process_time()
        collected = gc.isenabled()
        gc.disable()  # it would visit all that is restored again and again
        try:
            segments = self._kept()
            for at, segment in enumerate(segments):
                segments[at] = yield from self._restore(segment)
        finally:
            if collected:
                gc.enable()
        self._seconds, self._cpu_seconds = monotonic() - begun, process_time() - worked
        self._journal = FileJournal(self._folder, self._store, self._logs, segments, self._settings, self._clock)
        self._journal.prune()
        self._store.journal = self._logs.journal = self._journal

    def _kept(self) -> list[SegmentFile]:
        # The newest that are within the limits; the others are removed.
        kept: list[SegmentFile] = []
        size, now = 0, self._clock()
        for segment in reversed(self._folder.segments()):
            size += segment.size
            if size <= self._settings.max_bytes and now - segment.written < self._settings.max_age:
                kept.insert(0, segment)
                continue
            try:
                segment.path.unlink()
            except OSError as error:
                raise not_removed(segment.path, error) from error
        return kept

    def _restore(self, segment: SegmentFile) -> Generator[None, None, SegmentFile]:
        if not segment.size:
            return replace(segment, logs_end=self._logs.next)
        try:
            content = _mapped(segment.path)
        except OSError as error:
            raise not_read(segment.path, error) from error
        with content:
            size = len(content)
            restoration = Restoration(self._store, segment.number)
            scopes: dict[int, Batch] = {}
            damaged = end = 0
            for record in records(content):
                body = BodyReader(content, record.begin, record.end)
                damaged += 0 if self._added(record.kind, body, scopes, restoration) else record.end - record.begin
                if record.kind:
                    end = record.end
                yield
            self.restored += restoration.finish()
        yield
        tail = size - end
        if damaged - tail > 0:
            self._tell(Damage(segment.path.name, damaged - tail, cut=False))
        if tail:
            with suppress(OSError):  # it is left out all the same
                os.truncate(segment.path, end)
            self._tell(Damage(segment.path.name, tail, cut=True))
        return replace(segment, size=end, logs_end=self._logs.next)

    def _added(self, kind: bytes, reader: BodyReader, scopes: dict[int, Batch], restoration: Restoration) -> bool:
        """Return whether a record could be read. One of a later version's kind is left out."""
        try:
            if kind == SCOPE:
                number, batch = decode_scope(reader)
                scopes[number] = batch
            elif kind == SPANS:
                number, addition, pieces = decode_spans(reader)
                if number not in scopes:
                    return False
                restoration.add(scopes[number], addition, pieces)
            elif kind == LOGS:
                number, logs = decode_logs(reader)
                if number not in scopes:
                    return False
                self._logs.restore(scopes[number], logs)
                self.restored_logs += len(logs.payloads)
        except (Damaged, Undecodable, TooLarge):
            return False
        return kind != b""

    def _tell(self, damage: Damage) -> None:
        self._damages.append(damage)
        _logger.warning("%s", self._said(damage))

    def _said(self, damage: Damage) -> str:
        size = plural(damage.bytes, "byte")
        what = f"the last {size} were damaged and were cut off" if damage.cut else f"left out {size} that are damaged"
        return f"{self._settings.directory / damage.file}: {what}"

    @property
    def notices(self) -> tuple[str, ...]:
        """What is wrong with the folder, in sentences."""
        error = self._journal.error if self._journal else ""
        failed = (error,) if error else ()
        return (*map(self._said, self._damages), *failed)

    def figures(self) -> dict[str, Any]:
        """Where the traces are kept, how much it is, what was read at the start, and why nothing is written, if so."""
        journal = self._journal
        return {
            "directory": str(self._settings.directory),
            "bytes": journal.bytes if journal else 0,
            "max_bytes": self._settings.max_bytes,
            "max_age_s": self._settings.max_age,
            "segments": journal.segments if journal else 0,
            "restored": {
                "spans": self.restored,
                "log_records": self.restored_logs,
                "seconds": round(self._seconds, 3),
                "cpu_seconds": round(self._cpu_seconds, 3),
            },
            "damaged": [{"file": each.file, "bytes": each.bytes, "cut": each.cut} for each in self._damages],
            "error": journal.error if journal else "",
        }

    def expire(self) -> None:
        """Remove what is too old, from memory and from disk; to be called now and then."""
        if self._journal is not None:
            self._journal.expire()

    def flush(self) -> None:
        """Wait until everything is written, or has failed."""
        if self._journal is not None:
            self._journal.flush()

    def close(self) -> None:
        """Write what is left and release the folder; the store then keeps nothing on disk any more."""
        self._store.journal = self._logs.journal = None
        if self._journal is not None:
            self._journal.close()
        self._folder.close()


def _mapped(path: Path) -> mmap:
    # A segment has its size for good: only what has opened the folder writes to it. To read it takes twenty times as
    # long, most of it for the memory of the copy.
    with open_regular_file(path) as file:
        return mmap(file.fileno(), 0, access=ACCESS_READ)
