"""Queues that propagate the context: an item is processed as a child of the span that put it; a batch has links."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, TypeVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind

from devenv.tracing.active import state
from devenv.tracing.context.ambient import SPAN_KEY, attach, current, detach
from devenv.tracing.light.shared import Shared
from devenv.tracing.light.unsampled import RANDOM, SAMPLED, LocalTrace, new_trace_hex
from devenv.tracing.process.faults import fault
from devenv.tracing.process.versions import SLOTS
from devenv.tracing.spans import SpanScope, fail

T = TypeVar("T")


@dataclass(frozen=True, **SLOTS)
class _Entry(Generic[T]):
    item: T
    context: Context


class _Naming:
    """The span names and attributes of one queue (messaging semantic conventions)."""

    def __init__(self, name: str) -> None:
        base = {"messaging.system": "in_process", "messaging.destination.name": name}
        self.send = f"send {name}"
        self.process = f"process {name}"
        self.sending = Shared({**base, "messaging.operation.name": "send", "messaging.operation.type": "send"})
        self.processing = {**base, "messaging.operation.name": "process", "messaging.operation.type": "process"}

        self.processing_shared = Shared(self.processing)

    def producing(self) -> SpanScope | Span:
        return state.passive() or SpanScope(self.send, SpanKind.PRODUCER, shared=self.sending)

    def consuming(self, context: Context) -> Consumption:
        return Consumption(SpanScope(self.process, SpanKind.CONSUMER, shared=self.processing_shared), context)

    @contextmanager
    def consuming_batch(self, contexts: list[Context]) -> Iterator[None]:
        span = self._batch(contexts)
        failure: Exception | None = None
        token = attach(Context({SPAN_KEY: span}))
        try:
            yield
        except Exception as error:
            failure = error
            raise
        finally:
            detach(token)
            _end(span, failure)

    def _batch(self, contexts: list[Context]) -> Span:
        try:
            attributes = {**self.processing, "messaging.batch.message_count": len(contexts)}
            return _batch_span(self.process, attributes, contexts)
        except Exception as error:  # noqa: BLE001 - logged
            fault("a batch", error)
            return trace.INVALID_SPAN


def _end(span: Span, failure: Exception | None) -> None:
    try:
        if failure is not None:
            fail(span, failure)
        span.end()
    except Exception as error:  # noqa: BLE001 - logged; the program gets its own exception
        fault("a batch", error)


class Consumption:
    """Processes one item in its own context (baggage included) and a consumer span."""

    __slots__ = ("_context", "_scope", "_token")

    def __init__(self, scope: SpanScope, context: Context) -> None:
        self._scope = scope
        self._context = context

    def __enter__(self) -> Span:
        self._token = attach(self._context)
        return self._scope.__enter__()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._scope.__exit__(exc_type, exc, traceback)
        detach(self._token)


def _batch_span(name: str, attributes: dict[str, Any], contexts: list[Context]) -> Span:
    """A root span with a link to each item's span; recorded if one of these is, because only links lead to it."""
    linked = [trace.get_current_span(context).get_span_context() for context in contexts]
    links = [Link(context) for context in linked if context.is_valid]
    if state.light is None or state.passing is None:
        return state.open(name, Context(), SpanKind.CONSUMER, attributes, links, None)
    sampled = any(link.context.trace_flags.sampled for link in links)
    if not links:
        return state.open(name, Context(), SpanKind.CONSUMER, attributes, None, None)
    local = LocalTrace(new_trace_hex(), RANDOM | SAMPLED)
    if sampled:
        recorded = [link for link in links if link.context.trace_flags.sampled]
        return state.light.record(name, Context(), SpanKind.CONSUMER, 0, False, local, attributes, recorded)
    return trace.NonRecordingSpan(links[0].context)


class TracedQueue(Generic[T]):
    """An `asyncio.Queue` that propagates the context.

    `put` creates a producer span `send NAME`, and `process` a consumer span `process NAME` as its child.

    Args:
        name: The queue's name in spans.
        maxsize: As for `asyncio.Queue`.
    """

    def __init__(self, name: str, maxsize: int = 0) -> None:
        self._naming = _Naming(name)
        self._queue: asyncio.Queue[_Entry[T]] = asyncio.Queue(maxsize)

    async def put(self, item: T) -> None:
        """Put an item; wait while the queue is full."""
        with self._naming.producing():
            await self._queue.put(_Entry(item, current()))

    def put_nowait(self, item: T) -> None:
        """Put an item at once.

        Raises:
            asyncio.QueueFull: If the queue is full.
        """
        with self._naming.producing():
            self._queue.put_nowait(_Entry(item, current()))

    async def get(self) -> T:
        """Take an item without a span; the caller calls `task_done`."""
        return (await self._queue.get()).item

    @asynccontextmanager
    async def process(self) -> AsyncIterator[T]:
        """Take an item and process it in the block; the end of the block marks it as done."""
        entry = await self._queue.get()
        try:
            with self._naming.consuming(entry.context):
                yield entry.item
        finally:
            self._queue.task_done()

    @asynccontextmanager
    async def process_batch(self, max_items: int) -> AsyncIterator[list[T]]:
        """Wait for an item, take up to `max_items` available ones, and process them under one span with links."""
        entries = [await self._queue.get()]
        while len(entries) < max_items and not self._queue.empty():
            entries.append(self._queue.get_nowait())
        try:
            with self._naming.consuming_batch([entry.context for entry in entries]):
                yield [entry.item for entry in entries]
        finally:
            for _ in entries:
                self._queue.task_done()

    async def __aiter__(self) -> AsyncIterator[T]:
        """Yield each item in turn, without end; its span is open until the next one is requested."""
        while True:
            async with self.process() as item:
                yield item

    async def join(self) -> None:
        """Wait until every item is done."""
        await self._queue.join()

    def task_done(self) -> None:
        """Mark an item taken by `get` as done."""
        self._queue.task_done()

    def qsize(self) -> int:
        """Return the number of waiting items."""
        return self._queue.qsize()

    def empty(self) -> bool:
        """Return whether the queue is empty."""
        return self._queue.empty()

    def full(self) -> bool:
        """Return whether the queue is full."""
        return self._queue.full()


class ThreadQueue(Generic[T]):
    """A `queue.Queue` that propagates the context between threads, with the same spans as `TracedQueue`.

    Args:
        name: The queue's name in spans.
        maxsize: As for `queue.Queue`.
    """

    def __init__(self, name: str, maxsize: int = 0) -> None:
        self._naming = _Naming(name)
        self._queue: queue.Queue[_Entry[T]] = queue.Queue(maxsize)

    def put(self, item: T, block: bool = True, timeout: float | None = None) -> None:
        """Put an item.

        Raises:
            queue.Full: If the queue is full (until the timeout).
        """
        with self._naming.producing():
            self._queue.put(_Entry(item, current()), block, timeout)

    def get(self, block: bool = True, timeout: float | None = None) -> T:
        """Take an item without a span; the caller calls `task_done`.

        Raises:
            queue.Empty: If the queue is empty (until the timeout).
        """
        return self._queue.get(block, timeout).item

    @contextmanager
    def process(self, timeout: float | None = None) -> Iterator[T]:
        """Take an item and process it in the block; the end of the block marks it as done.

        Raises:
            queue.Empty: If no item arrived before the timeout.
        """
        entry = self._queue.get(timeout=timeout)
        try:
            with self._naming.consuming(entry.context):
                yield entry.item
        finally:
            self._queue.task_done()

    @contextmanager
    def process_batch(self, max_items: int, timeout: float | None = None) -> Iterator[list[T]]:
        """Wait for an item, take up to `max_items` available ones, and process them under one span with links.

        Raises:
            queue.Empty: If no item arrived before the timeout.
        """
        entries = [self._queue.get(timeout=timeout)]
        while len(entries) < max_items:
            try:
                entries.append(self._queue.get_nowait())
            except queue.Empty:
                break
        try:
            with self._naming.consuming_batch([entry.context for entry in entries]):
                yield [entry.item for entry in entries]
        finally:
            for _ in entries:
                self._queue.task_done()

    def join(self) -> None:
        """Wait until every item is done."""
        self._queue.join()

    def task_done(self) -> None:
        """Mark an item taken by `get` as done."""
        self._queue.task_done()

    def qsize(self) -> int:
        """Return the number of waiting items."""
        return self._queue.qsize()

    def empty(self) -> bool:
        """Return whether the queue is empty."""
        return self._queue.empty()
