"""Filters over spans of the model: what devenv reads from any trace backend."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

from devenv.model.span import Span, SpanEvent, SpanLink
from devenv.model.trace import Trace
from devenv.traces.filters.evaluation import FilterTest, Found
from devenv.traces.filters.expression import Attribute, Call, Expression, Field, FilterError
from devenv.traces.filters.fields import SPAN_KINDS, STATUSES

_ABSENT = frozenset({("scope", "schemaURL"), ("resource", "schemaURL"), ("link", "traceState")})


def _end(span: Span) -> int:
    return max(span.end_ns, span.start_ns + 1)  # as Jaeger corrects it, and the embedded backend


_SPAN_FIELDS: dict[tuple[str, str], Callable[[Span], Any]] = {
    ("span", "traceID"): lambda span: span.trace_id,
    ("span", "spanID"): lambda span: span.span_id,
    ("span", "parentSpanID"): lambda span: span.parent_id or "",
    ("span", "traceState"): lambda span: span.trace_state,
    ("span", "name"): lambda span: span.name,
    ("span", "kind"): lambda span: SPAN_KINDS[span.kind],
    ("span", "startTime"): lambda span: span.start_ns,
    ("span", "endTime"): _end,
    ("span", "status"): lambda span: STATUSES[span.status],
    ("span", "statusMessage"): lambda span: span.status_message,
    ("span", "duration"): lambda span: _end(span) - span.start_ns,
    ("resource", "service"): lambda span: span.service,
    ("scope", "name"): lambda span: span.scope,
    ("scope", "version"): lambda span: span.scope_version,
}
_ELEMENT_FIELDS: dict[tuple[str, str], Callable[[Span, Any], Any]] = {
    ("event", "name"): lambda _, event: event.name,
    ("event", "time"): lambda _, event: event.time_ns,
    ("event", "timeSinceStart"): lambda span, event: event.time_ns - span.start_ns,
    ("link", "traceID"): lambda _, link: link.trace_id,
    ("link", "spanID"): lambda _, link: link.span_id,
}


class TraceFilter:
    """A filter over traces of the model.

    Raises:
        FilterError: If it asks for something that spans of the model do not have.
    """

    def __init__(self, filter_: Call) -> None:
        for reference in _references(filter_):
            if isinstance(reference, Field) and (reference.level, reference.name) in _ABSENT:
                raise _unanswered(f"{reference.level}.{reference.name}")
            if isinstance(reference, Attribute) and reference.level == "scope":
                raise _unanswered("attributes of scopes")
            if isinstance(reference, Attribute) and reference.level == "link":
                raise _unanswered("attributes of links")
        self._test = FilterTest(filter_, ModelReader())

    def matches(self, trace: Trace) -> bool:
        """Return whether one span of the trace meets the filter."""
        view = ModelTrace(trace)
        for _ in self._test.prepare(view):
            pass
        return any(self._test.meets(span, view) for span in trace.spans)


def _unanswered(what: str) -> FilterError:
    hint = "the embedded backend of the process engine can"
    return FilterError(f"this trace backend does not return {what}, so they cannot be searched for", hint=hint)


def _references(term: Expression) -> Iterator[Attribute | Field]:
    if isinstance(term, Call):
        for argument in term.args:
            yield from _references(argument)
    elif isinstance(term, Attribute | Field):
        yield term


class ModelReader:
    """Reads spans of the model; implements :class:`~devenv.traces.filters.evaluation.Reader`."""

    def field(self, level: str, name: str) -> Callable[[Span], Found]:
        """A field of level span, resource or scope; empty text is absent."""
        get = _SPAN_FIELDS[level, name]
        return lambda span: () if (value := get(span)) == "" else (value,)

    def attribute(self, level: str, key: str) -> Callable[[Span], Found]:
        """An attribute of a span or its resource."""
        if level == "resource":
            return lambda span: (span.resource[key],) if key in span.resource else ()
        return lambda span: (span.attributes[key],) if key in span.attributes else ()

    def elements(self, level: str) -> Callable[[Span], Sequence[SpanEvent | SpanLink]]:
        """The events or links of a span."""
        return (lambda span: span.events) if level == "event" else (lambda span: span.links)

    def element_field(self, level: str, name: str) -> Callable[[Span, Any], Found]:
        """A field of an event or link."""
        get = _ELEMENT_FIELDS[level, name]
        return lambda span, element: () if (value := get(span, element)) == "" else (value,)

    def element_attribute(self, level: str, key: str) -> Callable[[Any], Found]:  # noqa: ARG002 (events and links alike)
        """An attribute of an event or link."""
        return lambda element: (element.attributes[key],) if key in element.attributes else ()


class ModelTrace:
    """A trace of the model; implements :class:`~devenv.traces.filters.evaluation.TraceView`."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self.known: dict[int, Any] = {}

    @cached_property
    def root(self) -> Span | None:
        """The earliest span without a parent."""
        roots = [span for span in self._trace.spans if span.parent_id is None]
        return min(roots, key=lambda span: (span.start_ns, span.span_id), default=None)

    def spans(self) -> Iterable[Span]:
        """All spans."""
        return self._trace.spans

    def field(self, name: str) -> Found:
        """The value of a field of level ``trace``."""
        return self._fields[name]

    @cached_property
    def _fields(self) -> dict[str, Found]:
        spans = self._trace.spans
        return {
            "duration": (max(map(_end, spans)) - min(span.start_ns for span in spans),),
            "spans": (len(spans),),
            "errors": (sum(1 for span in spans if span.is_error),),
            "service": tuple({span.service for span in spans}),
        }
