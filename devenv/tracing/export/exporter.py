"""The export pipeline: a bounded queue that never blocks, and a thread that encodes and delivers in batches.

Its items are ended spans, or log records.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any, Protocol

from devenv.tracing.export.encoding import Encoder
from devenv.tracing.export.signal import SPANS, Signal
from devenv.tracing.export.transport import Outcome, Transport
from devenv.tracing.light.notices import warn_once
from devenv.tracing.light.values import as_text
from devenv.tracing.process.versions import SLOTS
from devenv.tracing.settings import Settings

_log = logging.getLogger(__name__)

# Encoding pauses after this many spans, so that requests get the interpreter.
_SLICE = 64
_BREATH_S = 0.0001
_REPORT_EVERY_S = 60.0


@dataclass(frozen=True, **SLOTS)
class ExportStats:
    """Counts since the start of the process (a forked child starts at 0).

    Attributes:
        exported: Spans that the receiver accepted.
        dropped: Spans left out: the queue was full, the trace too long, or export had been shut down.
        failed: Spans that were not delivered.
        queued: Spans that are waiting.
        batches: Successful export requests.
    """

    exported: int
    dropped: int
    failed: int
    queued: int
    batches: int


class Sender(Protocol):
    """Destination of encoded batches."""

    def send(self, body: bytes, spans: int, deadline: float) -> Outcome:
        """Deliver a batch until the deadline of `time.monotonic`."""

    def close(self) -> None:
        """Close the connection."""


class BatchExporter:
    """Accepts ended spans and delivers them from its own thread.

    Args:
        settings: Sizes and times of batching.
        encoder: Encodes the spans.
        resource: Returns the resource attributes; called again after a fork.
        sender: Creates the sender from a pause function. Default: the one of the settings' protocol.
        signal: What is exported.
    """

    def __init__(
        self,
        settings: Settings,
        encoder: Encoder,
        resource: Callable[[], Mapping[str, Any]],
        sender: Callable[[Callable[[float], bool]], Sender] | None = None,
        signal: Signal = SPANS,
    ) -> None:
        self._settings = settings
        self._signal = signal
        self._encoder = encoder
        self._resource = resource
        self._make_sender = sender or (lambda pause: otlp_sender(settings, pause, signal))
        self._max_queue = settings.max_queue_size
        self._batch = min(settings.max_batch_size, settings.max_queue_size)
        self._start()
        exporter = weakref.ref(self)

        def after_fork() -> None:
            alive = exporter()
            if alive is not None:
                alive.after_fork()

        os.register_at_fork(after_in_child=after_fork)

    def _start(self) -> None:
        self._queue: deque[Any] = deque()
        self._wake = threading.Event()
        self._stop = threading.Event()
        # A signal handler or a finalizer may end a span while this thread holds the lock.
        self._lock = threading.RLock()
        self._draining = threading.Lock()
        self._flushes: list[_Flush] = []
        self._closed = False
        self._deadline = 0.0
        self._exported = self._dropped = self._failed = self._batches = 0
        self._taken = 0
        self._reported_at = float("-inf")
        self._reported_failed = self._reported_dropped = 0
        self._resource_bytes = self._encoder.resource(self._resource())
        self._sender = self._make_sender(self._stop.wait)
        self._thread: threading.Thread | None = None

    def after_fork(self) -> None:
        """Reset a forked child: the parent sends the waiting spans, the child starts empty with a new connection."""
        closed = self._closed
        self._start()
        self._closed = closed

    def offer(self, item: Any) -> None:
        """Queue an ended span or a log record; never blocks. If the queue is full, it is dropped and counted."""
        queue = self._queue
        waiting = len(queue)
        if waiting >= self._max_queue or self._closed:
            self._drop()
            return
        queue.append(item)
        if self._thread is None:
            self._begin()
        elif waiting + 1 == self._batch:
            self._wake.set()

    def stats(self, surplus: int = 0) -> ExportStats:
        """Return the counts; `surplus` is added to the dropped spans."""
        waiting = len(self._queue) + self._taken
        return ExportStats(self._exported, self._dropped + surplus, self._failed, waiting, self._batches)

    def force_flush(self, timeout_s: float = 10.0) -> bool:
        """Deliver the waiting spans; return False if some failed or are left after the time."""
        if self._closed:
            return not self._queue
        if self._thread is None and (not self._queue or not self._begin()):
            return self._drain_here(timeout_s)
        flush = _Flush(self._failed)
        with self._lock:
            self._flushes.append(flush)
        self._wake.set()
        return flush.done.wait(timeout_s) and flush.delivered

    def shutdown(self, timeout_s: float = 5.0) -> bool:
        """Deliver the waiting spans within the time, then stop. Return whether none are left."""
        if not self._closed:
            self._deadline = monotonic() + timeout_s
            self._closed = True
            self._stop.set()
            self._wake.set()
        thread = self._thread
        if thread is not None:
            thread.join(max(0.0, self._deadline - monotonic()) + 0.05)
            if thread.is_alive():
                _log.warning("%d %s were not exported in time", len(self._queue) + self._taken, self._signal.items)
                return False
        elif self._queue:
            return self._drain_here(max(0.0, self._deadline - monotonic()))
        return not self._queue

    def _begin(self) -> bool:
        """Start the thread; False if none can be started: the interpreter is ending, or the system's limit is reached.

        The spans then wait for a later start, a flush or the shutdown.
        """
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="devenv-tracing-export", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:
                    _log.debug("cannot start the exporter's thread: %s", error)
                    return False
                self._thread = thread
        return True

    def _drain_here(self, timeout_s: float) -> bool:
        """Deliver the waiting spans from the calling thread, because there is no other."""
        deadline = monotonic() + timeout_s
        failed = self._failed
        with self._draining:
            while self._queue and monotonic() < deadline:
                self._send(min(self._batch, len(self._queue)), deadline)
            self._sender.close()
        if self._queue and self._closed:
            self._give_up()
        return self._failed == failed and not self._queue

    def _drop(self) -> None:
        with self._lock:
            self._dropped += 1

    def _run(self) -> None:
        delay = self._settings.schedule_delay_ms / 1000
        due = monotonic() + delay
        while not self._closed:
            self._wake.wait(max(0.0, due - monotonic()))
            self._wake.clear()
            with self._lock:
                flushes, self._flushes = self._flushes, []
            if flushes or monotonic() >= due:
                self._drain(1)
                due = monotonic() + delay
            else:
                self._drain(self._batch)
            for flush in flushes:
                flush.finish(self._failed)
        self._drain(1)
        self._sender.close()
        for flush in self._flushes:
            flush.finish(self._failed)

    def _drain(self, least: int) -> None:
        """Send the waiting spans in batches, while at least `least` spans wait."""
        left = len(self._queue)
        while left > 0 and len(self._queue) >= least:
            size = min(self._batch, left)
            if self._closed and monotonic() >= self._deadline:
                self._give_up()
                return
            self._send(size)
            left -= size

    def _send(self, size: int, latest: float | None = None) -> None:
        popleft = self._queue.popleft
        encode, scope_of = self._encoder.encode, self._encoder.scope
        by_scope: dict[int, tuple[tuple[Any, ...], list[bytes]]] = {}
        self._taken = size
        unreadable = 0
        for index in range(size):
            item = popleft()
            try:
                encoded = encode(item)
            except Exception:  # noqa: BLE001 - encoded as text, or logged and counted
                repaired = self._repaired(item)
                if repaired is None:
                    unreadable += 1
                    continue
                encoded = repaired
            scope = scope_of(item)
            group = by_scope.get(id(scope))
            if group is None:
                group = by_scope[id(scope)] = (scope, [])
            group[1].append(encoded)
            if index % _SLICE == _SLICE - 1 and not self._closed:
                sleep(_BREATH_S)
        count = size - unreadable
        deadline = monotonic() + self._settings.export_timeout_ms / 1000
        if self._closed:
            deadline = min(deadline, self._deadline)
        if latest is not None:
            deadline = min(deadline, latest)
        try:
            body = self._encoder.request(self._resource_bytes, by_scope)
            outcome = self._sender.send(body, count, deadline)
        except Exception as error:  # noqa: BLE001 - logged and counted
            # The thread must survive any exception of the resource, a sender or a wrong setting (a header).
            # Past the deadline it has been told what is lost, and the interpreter may be ending under this thread.
            if not (self._closed and monotonic() >= self._deadline):
                _log.exception("export failed")
            outcome = Outcome(count, str(error))
        self._exported += count - outcome.rejected
        self._failed += outcome.rejected + unreadable
        self._batches += outcome.rejected < count
        self._taken = 0
        try:
            self._report(outcome)
        except Exception:  # noqa: BLE001 - logged; the thread must survive
            _log.exception("cannot report lost %s", self._signal.items)

    def _repaired(self, item: Any) -> bytes | None:
        """Encode a span with what cannot be encoded as text; None if that fails: it must not stop the others."""
        try:
            from devenv.tracing.export.repair import repaired

            encoded = self._encoder.encode(repaired(item))
        except Exception:  # noqa: BLE001 - logged and counted
            _log.exception("cannot encode one of the %s", self._signal.items)
            return None
        warn_once(_log, "span %s has values of wrong types; recorded as text", as_text(item.name))
        return encoded

    def _give_up(self) -> None:
        self._failed += len(self._queue)
        self._queue.clear()

    def _report(self, outcome: Outcome) -> None:
        """Log the spans that were lost since the last warning, at most once per minute."""
        failed, dropped = self._failed - self._reported_failed, self._dropped - self._reported_dropped
        now = monotonic()
        if not (failed or dropped) or now - self._reported_at < _REPORT_EVERY_S:
            return
        self._reported_at = now
        self._reported_failed += failed
        self._reported_dropped += dropped
        _log.warning(
            "%s lost: %d not delivered to %s, %d dropped because the queue was full%s",
            self._signal.items,
            failed,
            self._settings.receiver,
            dropped,
            f" (last: {outcome.reason})" if outcome.reason else "",
        )


def otlp_sender(settings: Settings, pause: Callable[[float], bool], signal: Signal = SPANS) -> Sender:
    """Return the sender of the settings' protocol."""
    if settings.protocol != "grpc":
        return Transport(settings, pause, signal)
    from devenv.tracing.export.grpc_transport import GrpcTransport, NoGrpc, has_grpc

    return GrpcTransport(settings, pause, signal) if has_grpc() else NoGrpc(signal)


class _Flush:
    """A request to deliver all waiting spans."""

    def __init__(self, failed_before: int) -> None:
        self.done = threading.Event()
        self.delivered = False
        self._failed_before = failed_before

    def finish(self, failed_now: int) -> None:
        self.delivered = failed_now == self._failed_before
        self.done.set()
