"""Opens the folder of a storage: what it has is added to the stores again, what is damaged is left out and told."""

from __future__ import annotations

import gc
import logging
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import replace
from time import monotonic, process_time, time
from typing import Any

from devenv.backend.logs.store import LogStore
from devenv.backend.settings import StorageSettings
from devenv.backend.storage.checkpoint_file import SegmentEnd
from devenv.backend.storage.checkpoint_reading import Checkpoints
from devenv.backend.storage.checkpointing import MOST, Checkpointing
from devenv.backend.storage.folder import Folder, SegmentFile
from devenv.backend.storage.journal import FileJournal
from devenv.backend.storage.segment_reading import Damage, SegmentReading
from devenv.backend.store.checkpoints import EndedSegment
from devenv.backend.store.store import Store
from devenv.disk import not_removed
from devenv.model.counts import plural

_logger = logging.getLogger(__name__)


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
        self._checkpoints: Checkpoints | None = None
        self._checkpointing: Checkpointing | None = None
        # Those that were read without a checkpoint, and get one: the newest, as they are in memory until then.
        self._read: deque[tuple[EndedSegment, SegmentEnd]] = deque(maxlen=MOST)
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
            self._checkpoints = checkpoints = Checkpoints(self._folder, segments, self._store, self._logs)
            for at, segment in enumerate(segments):
                segments[at] = yield from self._restore(segment, checkpoints)
        finally:
            if collected:
                gc.enable()
        self._seconds, self._cpu_seconds = monotonic() - begun, process_time() - worked
        self._checkpointing = Checkpointing(checkpoints.sizes)
        self._journal = FileJournal(
            self._folder, self._store, self._logs, segments, self._checkpointing, self._settings, self._clock
        )
        while self._read:
            ended, end = self._read.popleft()
            self._checkpointing.write(self._folder.checkpoint_path(end.number), ended, end)
        self._journal.prune()
        self._store.journal = self._logs.journal = self._journal

    def _kept(self) -> list[SegmentFile]:
        # The newest that are within the limits; the others are removed.
        kept: list[SegmentFile] = []
        size, now = 0, self._clock()
        segments = self._folder.segments()
        checkpoints = self._folder.checkpoints(each.number for each in segments)
        for segment in reversed(segments):
            size += segment.size + checkpoints.get(segment.number, 0)
            if size <= self._settings.max_bytes and now - segment.written < self._settings.max_age:
                kept.insert(0, segment)
                continue
            try:
                segment.path.unlink()
            except OSError as error:
                raise not_removed(segment.path, error) from error
        return kept

    def _restore(self, segment: SegmentFile, checkpoints: Checkpoints) -> Generator[None, None, SegmentFile]:
        if (restored := checkpoints.restore(segment)) is not None:
            self.restored += restored.spans
            self.restored_logs += restored.log_records
            if restored.damaged:
                self._tell(Damage(segment.path.name, restored.damaged, cut=False))
            yield
            return replace(segment, logs_end=self._logs.next)
        reading = SegmentReading(segment, self._store, self._logs)
        yield from reading.steps()
        self.restored += reading.spans
        self.restored_logs += reading.log_records
        for damage in reading.damages:
            self._tell(damage)
        if reading.ended is not None:
            self._read.append(reading.ended)
        return reading.segment

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
        checkpoints = self._checkpoints.notices if self._checkpoints else ()
        unwritten = self._checkpointing.failure if self._checkpointing else ""
        failures = (each for each in (unwritten, error) if each)
        return (*map(self._said, self._damages), *checkpoints, *failures)

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
