"""Filters over stored spans, which are read as they were encoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from devenv.backend.store.decoding import Snapshot, Steps, duration, encoded, ends, is_error, one_by_one
from devenv.backend.store.scopes import Scope
from devenv.otlp import messages
from devenv.otlp.values import plain, text
from devenv.otlp.wire import varint
from devenv.traces.filters.evaluation import Found
from devenv.traces.filters.fields import SPAN_KINDS, STATUSES

_BETWEEN_STEPS = 256
_KNOWN = 2048


class StoredSpan:
    """A span as ``messages.OpaqueSpan``, with its scope. It may be changed to the next span."""

    __slots__ = ("scope", "span")

    def __init__(self, scope: Scope | None = None, span: Any = None) -> None:
        self.scope: Any = scope
        self.span = span


def _word(words: tuple[str, ...], number: int) -> str:
    return words[number] if 0 <= number < len(words) else words[0]


def _id(value: bytes) -> str:
    return value.hex() if any(value) else ""


_FIELDS: dict[tuple[str, str], Callable[[StoredSpan], Any]] = {
    ("span", "traceID"): lambda each: each.span.trace_id.hex(),
    ("span", "spanID"): lambda each: each.span.span_id.hex(),
    ("span", "parentSpanID"): lambda each: _id(each.span.parent_span_id),
    ("span", "traceState"): lambda each: text(each.span.trace_state),
    ("span", "name"): lambda each: text(each.span.name),
    ("span", "kind"): lambda each: _word(SPAN_KINDS, each.span.kind),
    ("span", "startTime"): lambda each: each.span.start,
    ("span", "endTime"): lambda each: ends(each.span),
    ("span", "status"): lambda each: _word(STATUSES, each.span.status.code),
    ("span", "statusMessage"): lambda each: text(each.span.status.message),
    ("span", "duration"): lambda each: duration(each.span),
    ("resource", "service"): lambda each: each.scope.service.name,
    ("resource", "schemaURL"): lambda each: each.scope.urls[0],
    ("scope", "name"): lambda each: each.scope.name,
    ("scope", "version"): lambda each: each.scope.version,
    ("scope", "schemaURL"): lambda each: each.scope.urls[1],
}
_ELEMENT_FIELDS: dict[tuple[str, str], Callable[[Any, Any], Any]] = {
    ("event", "name"): lambda _, event: text(event.name),
    ("event", "time"): lambda _, event: event.time,
    ("event", "timeSinceStart"): lambda each, event: event.time - each.span.start,
    ("link", "traceID"): lambda _, link: link.trace_id.hex(),
    ("link", "spanID"): lambda _, link: link.span_id.hex(),
    ("link", "traceState"): lambda _, link: text(link.trace_state),
}


class StoredReader:
    """Reads stored spans; implements :class:`~devenv.traces.filters.evaluation.Reader`."""

    def field(self, level: str, name: str) -> Callable[[StoredSpan], Found]:
        """A field of level span, resource or scope; empty text is absent."""
        get = _FIELDS[level, name]
        return lambda each: () if (value := get(each)) == "" else (value,)

    def attribute(self, level: str, key: str) -> Callable[[StoredSpan], Found]:
        """An attribute of level span, resource or scope."""
        if level == "resource":
            return lambda each: (each.scope.resource[key],) if key in each.scope.resource else ()
        if level == "scope":
            return lambda each: (each.scope.attributes[key],) if key in each.scope.attributes else ()
        get = span_attribute(key)
        return lambda each: get(each.span)

    def elements(self, level: str) -> Callable[[StoredSpan], Sequence[Any]]:
        """The events or links of a span."""
        return (lambda each: each.span.events) if level == "event" else (lambda each: each.span.links)

    def element_field(self, level: str, name: str) -> Callable[[StoredSpan, Any], Found]:
        """A field of an event or link."""
        get = _ELEMENT_FIELDS[level, name]
        return lambda each, element: () if (value := get(each, element)) == "" else (value,)

    def element_attribute(self, level: str, key: str) -> Callable[[Any], Found]:  # noqa: ARG002 (events and links alike)
        """An attribute of an event or link."""
        return attribute(key)


def attribute(key: str) -> Callable[[Any], Found]:
    """The value of an attribute of anything that has attributes; the first of equal keys counts."""
    encoded_key = key.encode("utf-8", "replace")
    if "\ufffd" in key:  # several byte strings are shown so

        def replaced(holder: Any) -> Found:
            return next(((plain(pair.value),) for pair in holder.attributes if text(pair.key) == key), ())

        return replaced

    def exact(holder: Any) -> Found:
        for pair in holder.attributes:
            if pair.key == encoded_key:
                return (plain(pair.value),)
        return ()

    return exact


def span_attribute(key: str) -> Callable[[Any], Found]:
    """As :func:`attribute`, of a span whose attributes are still encoded; most values occur in many spans."""
    encoded_key = key.encode("utf-8", "replace")
    prefix = b"\x0a" + varint(len(encoded_key)) + encoded_key + b"\x12"
    if "\ufffd" in key:
        prefix = b""
    known: dict[bytes, Found] = {}

    def get(span: Any) -> Found:
        for pair in span.attributes:
            if not pair.startswith(prefix):
                continue
            found = known.get(pair)
            if found is None:
                decoded = messages.KeyValue.FromString(pair)
                found = (plain(decoded.value),) if text(decoded.key) == key else ()
                if len(known) >= _KNOWN:
                    known.clear()
                known[pair] = found
            if found:
                return found
        return ()

    return get


class StoredView:
    """A whole stored trace; implements :class:`~devenv.traces.filters.evaluation.TraceView` after :meth:`load`.

    Its spans are decoded each time: decoded, those of a large trace would take ten times the memory.
    """

    def __init__(self, taken: Snapshot) -> None:
        self._taken = taken
        self._chunks: list[tuple[Scope, list[bytes]]] = []
        self._fields: dict[str, Found] = {}
        self.root: StoredSpan | None = None
        self.known: dict[int, Any] = {}

    def load(self) -> Steps[None]:
        """Find the distinct spans and what is asked of all of them, in steps."""
        self._chunks = (yield from encoded(self._taken)).chunks
        first, last, count, errors = 1 << 64, 0, 0, 0
        earliest: tuple[int, bytes] | None = None
        for each in self.spans():
            span = each.span
            count += 1
            first, last, errors = min(first, span.start), max(last, ends(span)), errors + is_error(span)
            place = (span.start, span.span_id)
            if not any(span.parent_span_id) and (earliest is None or place < earliest):
                earliest, self.root = place, each
            if count % _BETWEEN_STEPS == 0:
                yield
        services = {scope.service.name for scope, payloads in self._chunks if payloads}
        self._fields = {
            "duration": (max(last - first, 0),),
            "spans": (count,),
            "errors": (errors,),
            "service": tuple(services),
        }

    def spans(self) -> Iterator[StoredSpan]:
        """All distinct spans."""
        for scope, payloads in self._chunks:
            for span in one_by_one(payloads, messages.OpaqueSpan):
                yield StoredSpan(scope, span)

    def field(self, name: str) -> Found:
        """The value of a field of level ``trace``."""
        return self._fields[name]
