"""Search by Jaeger's rules: a trace matches if one of its spans meets all criteria."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field, replace
from itertools import islice
from typing import Any

from devenv.backend.query.filtering import StoredFilter
from devenv.backend.query.needles import ERROR_STATUS, Needle
from devenv.backend.query.stored_spans import attribute, span_attribute
from devenv.backend.store.decoding import Steps, chunks, duration, is_error, one_by_one
from devenv.backend.store.records import StoredTrace
from devenv.backend.store.scopes import Scope
from devenv.backend.store.store import Store
from devenv.immutable import immutable
from devenv.otlp import messages
from devenv.otlp.attribute_cache import key_value
from devenv.otlp.values import plain
from devenv.traces.filters.expression import Call, size
from devenv.traces.filters.narrowing import narrowing
from devenv.traces.jaeger_text import as_text

ERROR_KEY = "error"
# Candidates whose encoded spans are looked at between two pauses of a search: a millisecond of work.
_LOOKS = 512
_DECODES = 256  # spans
# Candidates that are compared with the bounds of the search at once: the fewest, for a short search, and the most.
_BLOCK = 32
_LARGEST_BLOCK = 1024
_QUICKER = 16  # times as quick as a look
_FOREVER = 1 << 64


@immutable()
class Criteria:
    """Criteria of a search; empty or zero means any. Times and durations in ns, ends inclusive.

    ``attributes`` are compared as text with a span's, its scope's, its resource's and its events' attributes; the key
    ``error`` means the span's status. ``where`` is a filter that the same span has to meet.
    """

    service: str = ""
    operation: str = ""
    start_min: int = 0
    start_max: int = 0
    duration_min: int = 0
    duration_max: int = 0
    attributes: dict[str, str] = field(default_factory=dict)
    limit: int = 100
    where: Call | None = None


@immutable()
class _Wanted:
    """One attribute, with what excludes a trace quickly."""

    has: Callable[[Any], bool]
    needle: Needle
    scopes: frozenset[int]


def search(store: Store, query: Criteria) -> Iterator[StoredTrace | None]:
    """Yield at most ``limit`` matching traces, the latest start first; None to let the caller serve others."""
    if query.limit <= 0:
        return
    plan = _Plan(store, query)
    query = _narrowed(query)
    found = 0
    seen: set[bytes] = set()
    looks = _LOOKS if query.where is None else max(_LOOKS // size(query.where), 1)
    looked = 0
    for inside, compared in _within(store.newest(query.service, query.operation), query):
        looked += compared // _QUICKER
        first = 0
        while first < len(inside):
            if looked >= looks:
                looked = 0
                yield None
            part = inside[first : first + looks - looked]
            first += len(part)
            looked += len(part)
            for trace, raw in plan.possible(part):
                if trace.owner is None or trace.id in seen:
                    continue
                if not plan.certain(trace):
                    matches = yield from plan.matches(trace, raw or trace.raw)
                    if not matches or not trace.alive:
                        continue
                seen.add(trace.id)
                yield trace
                found += 1
                if found == query.limit:
                    return
        if looked >= looks:
            looked = 0
            yield None


def _within(traces: Iterable[StoredTrace], query: Criteria) -> Iterator[tuple[list[StoredTrace], int]]:
    """Yield the traces whose bounds do not exclude them, block by block, with the number of those compared.

    The cheapest test first: it excludes most traces, and all may have to be tested.
    """
    earliest, latest = query.start_min, query.start_max or _FOREVER
    shortest = query.duration_min if query.duration_min > 1 else 0
    remaining = iter(traces)
    count = _BLOCK
    while block := list(islice(remaining, count)):
        yield (
            [each for each in block if each.longest >= shortest and each.end >= earliest and each.start <= latest],
            len(block),
        )
        count = min(2 * count, _LARGEST_BLOCK)


def _narrowed(query: Criteria) -> Criteria:
    """The criteria, with what the filter says that the index and the other tests know of."""
    if query.where is None:
        return query
    narrow = narrowing(query.where)
    indexed = "\ufffd" not in narrow.service + narrow.operation  # such a name has several encodings
    return replace(
        query,
        service=query.service or (narrow.service if indexed else ""),
        operation=query.operation or (narrow.operation if indexed else ""),
        start_min=max(query.start_min, narrow.start_min),
        start_max=min(filter(None, (query.start_max, narrow.start_max)), default=0),
        duration_min=max(query.duration_min, narrow.duration_min),
        duration_max=min(filter(None, (query.duration_max, narrow.duration_max)), default=0),
    )


class _Plan:
    """A prepared query: what excludes a trace, what proves a match, and the exact test."""

    def __init__(self, store: Store, query: Criteria) -> None:
        self._store = store
        self._query = query
        self._decoded = 0
        self._error = query.attributes.get(ERROR_KEY)
        self._wanted = [self._want(name, value) for name, value in query.attributes.items() if name != ERROR_KEY]
        # The index has operations by service: without a service, `newest` returns every trace.
        indexed = bool(query.service or not query.operation)
        self._unbounded = not (query.attributes or query.duration_min or query.duration_max)
        self._whole = indexed and self._unbounded and query.where is None
        self._filter = StoredFilter(store, query.where) if query.where is not None else None

    def _want(self, name: str, value: str) -> _Wanted:
        scopes = frozenset(scope.number for scope in self._store.scopes if _in_scope(scope, name, value))
        return _Wanted(_holds(name, value), Needle(name, value), scopes)

    def possible(self, traces: list[StoredTrace]) -> list[tuple[StoredTrace, bytes]]:
        """Leave out traces of which no span can have the attributes, or meet the filter; one test after the other.

        Returns:
            the others, encoded; empty if that was not looked at.
        """
        may = self._filter and self._filter.may
        if self._error != "true" and not self._wanted and not may:
            return [(each, b"") for each in traces]
        found = [(each, each.raw) for each in traces]  # an older one is decompressed each time
        if self._error == "true":
            found = [pair for pair in found if ERROR_STATUS in pair[1] or b"error" in pair[1]]
        for wanted in self._wanted:
            if not wanted.scopes:
                within = wanted.needle.within
                found = [pair for pair in found if within(pair[1])]
        return [pair for pair in found if may(*pair)] if may else found

    def certain(self, trace: StoredTrace) -> bool:
        """Return True if the index alone proves a match: all spans are in the window, without further criteria."""
        return self._whole and self._within(trace)

    def _within(self, trace: StoredTrace) -> bool:
        """Whether all spans of a trace are in the window."""
        query = self._query
        return (
            not trace.truncated
            and trace.start >= query.start_min
            and (not query.start_max or trace.end <= query.start_max)
        )

    def matches(self, trace: StoredTrace, raw: bytes) -> Steps[bool]:
        """Return the result of the exact test of a trace, given encoded; False if it is evicted meanwhile."""
        if self._filter is not None:
            return (yield from self._meets(trace, raw, self._filter))
        for chunk in chunks(raw):
            if not trace.alive:
                return False
            scope = self._store.scopes[chunk.scope]
            if self._query.service and scope.service.name != self._query.service:
                continue
            self._decoded += len(chunk.spans)
            if any(self._span_matches(scope, span) for span in one_by_one(chunk.spans, messages.OpaqueSpan)):
                return True
            if self._decoded >= _DECODES:
                self._decoded = 0
                yield None
        return False

    def _meets(self, trace: StoredTrace, raw: bytes, filter_: StoredFilter) -> Steps[bool]:
        """The exact test of a filter and, as far as the index does not prove them, the other criteria."""
        inside = self._unbounded and not self._query.operation and self._within(trace)
        services = {self._query.service, filter_.service} - {""}
        for chunk in chunks(raw):
            scope = self._store.scopes[chunk.scope] if trace.alive else None
            if scope is None or (services and services != {scope.service.name}):
                continue
            for payload in chunk.spans:
                self._decoded += filter_.weight
                if self._decoded >= 2 * _DECODES:
                    self._decoded = 0
                    yield None
                    if not trace.alive:
                        return False
                if not filter_.meets(scope, payload) or not (inside or self._criteria_meet(scope, payload)):
                    continue
                if not filter_.whole:
                    return True
                return (yield from filter_.confirm(trace, self._criteria_meet))
        return False

    def _criteria_meet(self, scope: Scope, payload: bytes) -> bool:
        service = self._query.service
        if service and scope.service.name != service:
            return False
        return any(self._span_matches(scope, span) for span in one_by_one((payload,), messages.OpaqueSpan))

    def _span_matches(self, scope: Scope, span: Any) -> bool:
        query = self._query
        if query.operation and span.name.decode("utf-8", "replace") != query.operation:
            return False
        start, took = span.start, duration(span)
        if start < query.start_min or (query.start_max and start > query.start_max):
            return False
        if took < query.duration_min or (query.duration_max and took > query.duration_max):
            return False
        if self._error is not None and not _error_matches(span, self._error):
            return False
        return all((wanted.scopes and scope.number in wanted.scopes) or wanted.has(span) for wanted in self._wanted)


def _in_scope(scope: Scope, name: str, value: str) -> bool:
    return any(
        name in attributes and as_text(attributes[name]) == value for attributes in (scope.attributes, scope.resource)
    )


def _error_matches(span: Any, wanted: str) -> bool:
    # Jaeger derives an error tag from the status; older instrumentation sets the attribute itself.
    error = is_error(span) or any(map(_is_error_tag, filter(_NAMES_ERROR, span.attributes)))
    return error if wanted == "true" else wanted == "false" and not error


_NAMES_ERROR = re.compile(rb"\n\x05error").match


def _is_error_tag(encoded: bytes) -> bool:
    pair = key_value(encoded)
    return pair.key == b"error" and as_text(plain(pair.value)) == "true"


def _holds(name: str, value: str) -> Callable[[Any], bool]:
    """Return a test of whether a span, or one of its events, has an attribute that Jaeger prints as ``value``."""
    own, of_event = span_attribute(name), attribute(name)

    def holds(span: Any) -> bool:
        found = own(span)
        if found and as_text(found[0]) == value:
            return True
        return any(as_text(each) == value for event in span.events for each in of_event(event))

    return holds
