"""Excludes traces that cannot meet a filter by what the store knows of them without decoding.

Each part of a filter becomes a test of a whole trace: whether one of its spans may meet it. ``not`` excludes nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from devenv.backend.query.needles import ERROR_STATUS, Needle
from devenv.backend.store.records import StoredTrace
from devenv.backend.store.store import Store
from devenv.otlp.wire import varint
from devenv.traces.filters.constants import field_value, number
from devenv.traces.filters.expression import Attribute, Call, Expression, Field, Scalar, Values
from devenv.traces.filters.values import equals
from devenv.traces.jaeger_text import as_text

May = Callable[[StoredTrace], bool]

_SPAN_NAME, _EVENT_NAME = b"\x2a", b"\x12"  # fields 5 of Span and 2 of Event


def may_meet(filter_: Call, store: Store) -> May | None:
    """Return a test of whether a trace may meet a checked filter; ``None`` if any may."""
    return _Excluder(store).test(filter_)


class _Excluder:
    def __init__(self, store: Store) -> None:
        self._store = store

    def test(self, call: Call) -> May | None:
        if call.op == "and":
            return _every([self._inner(each) for each in call.args])
        if call.op == "or":
            return _one([self._inner(each) for each in call.args])
        if call.op == "not":
            return None
        if call.op == "some":
            return self._inner(call.args[1])
        if len(call.args) > 1 and isinstance(call.args[1], Attribute | Field):
            return _every([self._present(each) for each in call.args])
        reference = call.args[0]
        if isinstance(reference, Field):
            return _field(call.op, reference, call.args[1]) if len(call.args) > 1 else None
        if isinstance(reference, Attribute) and call.op == "eq" and isinstance(call.args[1], Scalar):
            return self._equal(reference, call.args[1])
        return self._present(reference)

    def _inner(self, term: Expression) -> May | None:
        return self.test(term) if isinstance(term, Call) else None

    def _present(self, reference: Expression) -> May | None:
        if not isinstance(reference, Attribute):
            return None
        return self._attribute(reference, Needle(reference.key, ""), lambda _: True)

    def _equal(self, reference: Attribute, constant: Scalar) -> May | None:
        found = number(constant.value)
        text = constant.value if found is None or as_text(found) == constant.value else ""
        return self._attribute(reference, Needle(reference.key, text), equals(constant, ""))

    def _attribute(self, reference: Attribute, needle: Needle, test: Callable[[object], bool]) -> May | None:
        """Whether an attribute occurs in the encoded spans, or in a scope or resource that the store has."""
        key, level = reference.key, reference.level
        scopes = () if level in {"span", "event", "link"} else tuple(self._store.scopes)
        for scope in scopes:
            held = scope.attributes if level == "scope" else scope.resource
            if key in held and test(held[key]):
                return None  # of which traces is not known without reading them
        if level in {"resource", "scope"}:
            return lambda _: False
        return lambda trace: needle.within(trace.raw)


def _every(tests: list[May | None]) -> May | None:
    known = [test for test in tests if test is not None]
    if len(known) <= 1:
        return known[0] if known else None
    return lambda trace: all(test(trace) for test in known)


def _one(tests: list[May | None]) -> May | None:
    known = [test for test in tests if test is not None]
    if len(known) < len(tests):
        return None
    return lambda trace: any(test(trace) for test in known)


def _field(op: str, field: Field, constant: Expression) -> May | None:
    place = (field.level, field.name)
    if isinstance(constant, Values):
        if op == "not_in":
            return None
        return _one([_field("eq", field, Scalar(value)) for value in constant.values])
    if not isinstance(constant, Scalar):
        return None
    if op == "eq":
        return _equal_field(place, constant.value)
    if op not in {"gt", "gte"}:
        return None
    return _above(place, op, constant.value)


def _equal_field(place: tuple[str, str], value: str) -> May | None:
    if place in {("resource", "service"), ("trace", "service"), ("root", "service")}:
        return lambda trace: any(service.name == value for service in trace.services)
    if place in {("span", "status"), ("root", "status")} and value == "error":
        return lambda trace: ERROR_STATUS in trace.raw
    if place in {("span", "name"), ("root", "name"), ("event", "name")} and value and "\ufffd" not in value:
        name = value.encode("utf-8", "replace")
        encoded = (_EVENT_NAME if place[0] == "event" else _SPAN_NAME) + varint(len(name)) + name
        return lambda trace: encoded in trace.raw
    return _above(place, "gte", value)


def _above(place: tuple[str, str], op: str, value: str) -> May | None:
    extra = op == "gt"
    if place in {("span", "duration"), ("root", "duration")}:
        shortest = int(field_value("duration", value)) + extra
        return lambda trace: max(trace.longest, 1) >= shortest
    if place == ("trace", "duration"):
        wanted = int(field_value("duration", value)) + extra
        return lambda trace: max(trace.end - trace.start, 1) + 1 >= wanted
    if place == ("trace", "spans"):
        least = int(field_value("number", value)) + extra
        return lambda trace: trace.spans >= least
    if place == ("trace", "errors") and int(field_value("number", value)) + extra > 0:
        return lambda trace: ERROR_STATUS in trace.raw
    return None
