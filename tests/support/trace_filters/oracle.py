"""A filter's meaning written down once more, as plainly as possible: a walk over the tree for each span."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from devenv.model.span import Span
from devenv.model.trace import Trace
from devenv.traces.filters.expression import Attribute, Call, Collection, Field, Scalar, Values
from devenv.traces.filters.fields import FIELDS
from devenv.traces.jaeger_text import as_text
from devenv.traces.times import parse_duration, parse_rfc3339

KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"]
STATUSES = ["unset", "ok", "error"]


def meets(filter_: Call, trace: Trace) -> bool:
    return any(holds(filter_, span, trace, {}) for span in trace.spans)


def holds(call: Call, span: Span, trace: Trace, bound: dict[str, Any]) -> bool:
    args: Any = call.args
    match call.op:
        case "and":
            return all(holds(each, span, trace, bound) for each in args)
        case "or":
            return any(holds(each, span, trace, bound) for each in args)
        case "not":
            return not holds(args[0], span, trace, bound)
        case "exists":
            return bool(values(args[0], span, trace, bound))
        case "some":
            return some(args[0], args[1], span, trace, bound)
    found = values(args[0], span, trace, bound)
    if isinstance(args[1], Attribute | Field):
        pairs = [(one, two) for one in found for two in values(args[1], span, trace, bound)]
        if call.op == "ne":
            return bool(pairs) and not any(sort(one) == sort(two) and one == two for one, two in pairs)
        return any(sort(one) == sort(two) and ordered(call.op, one, two) for one, two in pairs)
    if call.op in {"ne", "not_in"}:
        return bool(found) and not any(equal(args[0], value, args[1]) for value in found)
    if call.op in {"eq", "in"}:
        return any(equal(args[0], value, args[1]) for value in found)
    if call.op == "regex":
        return any(re.search(args[1].value, as_text(value)) is not None for value in found)
    return any(compared(call.op, args[0], value, args[1]) for value in found)


def some(collection: Collection, inner: Call, span: Span, trace: Trace, bound: dict[str, Any]) -> bool:
    if collection.level == "span":
        return any(holds(inner, each, trace, {}) for each in trace.spans)
    if collection.level == "child":
        below = [each for each in trace.spans if each.parent_id == span.span_id != each.span_id]
        return any(holds(inner, each, trace, {}) for each in below)
    elements: Any = span.events if collection.level == "event" else span.links
    return any(holds(inner, span, trace, {**bound, collection.level: each}) for each in elements)


def values(reference: Any, span: Span, trace: Trace, bound: dict[str, Any]) -> list[Any]:
    if reference.level == "root":
        roots = sorted((each for each in trace.spans if each.parent_id is None), key=lambda s: (s.start_ns, s.span_id))
        if not roots:
            return []
        if isinstance(reference, Attribute):
            return values(Attribute(reference.key), roots[0], trace, {})
        level = "resource" if reference.name == "service" else "span"
        return values(Field(level, reference.name), roots[0], trace, {})
    if reference.level in {"event", "link"}:
        elements = [bound[reference.level]] if reference.level in bound else list(of(span, reference.level))
        return [value for each in elements for value in element_values(reference, each, span)]
    if isinstance(reference, Attribute):
        maps = {"": [span.attributes, span.resource], "span": [span.attributes], "resource": [span.resource]}
        return [held[reference.key] for held in maps[reference.level] if reference.key in held]
    return (
        [value for value in [field(reference, span, trace)] if value != ""]
        if reference != TRACE_SERVICE
        else sorted({each.service for each in trace.spans})
    )


TRACE_SERVICE = Field("trace", "service")


def of(span: Span, level: str) -> Iterator[Any]:
    yield from span.events if level == "event" else span.links


def element_values(reference: Any, element: Any, span: Span) -> list[Any]:
    if isinstance(reference, Attribute):
        return [element.attributes[reference.key]] if reference.key in element.attributes else []
    if reference.name == "timeSinceStart":
        return [element.time_ns - span.start_ns]
    names = {"name": "name", "time": "time_ns", "traceID": "trace_id", "spanID": "span_id"}
    value = getattr(element, names[reference.name])
    return [] if value == "" else [value]


def field(reference: Field, span: Span, trace: Trace) -> Any:
    ends = [max(each.end_ns, each.start_ns + 1) for each in trace.spans]
    return {
        ("span", "traceID"): span.trace_id,
        ("span", "spanID"): span.span_id,
        ("span", "parentSpanID"): span.parent_id or "",
        ("span", "traceState"): span.trace_state,
        ("span", "name"): span.name,
        ("span", "kind"): KINDS[span.kind],
        ("span", "status"): STATUSES[span.status],
        ("span", "statusMessage"): span.status_message,
        ("span", "startTime"): span.start_ns,
        ("span", "endTime"): max(span.end_ns, span.start_ns + 1),
        ("span", "duration"): max(span.end_ns - span.start_ns, 1),
        ("resource", "service"): span.service,
        ("resource", "schemaURL"): "",
        ("scope", "name"): span.scope,
        ("scope", "version"): span.scope_version,
        ("trace", "spans"): len(trace.spans),
        ("trace", "errors"): sum(each.is_error for each in trace.spans),
        ("trace", "duration"): max(ends) - min(each.start_ns for each in trace.spans),
    }[reference.level, reference.name]


def equal(reference: Any, value: Any, constant: Any) -> bool:
    if isinstance(constant, Values):
        return any(equal(reference, value, Scalar(text, constant.type)) for text in constant.values)
    if isinstance(reference, Field):
        return bool(value == typed(reference, constant.value))
    if constant.type:
        wanted = {"string": str, "int": int, "double": float, "bool": lambda t: t == "true"}[constant.type](
            constant.value
        )
        return type(value) is type(wanted) and value == wanted
    if sort(value) == "number" and numeric(constant.value) == value:
        return True
    return as_text(value) == constant.value


def compared(op: str, reference: Any, value: Any, constant: Scalar) -> bool:
    if isinstance(reference, Field):
        return ordered(op, value, typed(reference, constant.value))
    if constant.type:
        wanted: Any = {"string": str, "int": int, "double": float}[constant.type](constant.value)
        return type(value) is type(wanted) and ordered(op, value, wanted)
    as_number = numeric(constant.value)
    wanted = constant.value if as_number is None else as_number
    return sort(value) == sort(wanted) and ordered(op, value, wanted)


def typed(reference: Field, text: str) -> Any:
    kind = FIELDS[reference.level][reference.name]
    readers: dict[str, Any] = {"duration": parse_duration, "time": parse_rfc3339, "number": int, "id": str.lower}
    return readers.get(kind, str)(text)


def numeric(text: str) -> float | int | None:
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    return float(text) if re.fullmatch(r"-?\d+\.\d+", text) else None


def sort(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, int | float) else type(value).__name__


def ordered(op: str, one: Any, two: Any) -> bool:
    return {
        "eq": lambda: one == two,
        "gt": lambda: one > two,
        "lt": lambda: one < two,
        "gte": lambda: one >= two,
        "lte": lambda: one <= two,
    }[op]() and (op == "eq" or sort(one) in {"number", "str"})
