"""Excludes traces that cannot meet a filter by what the store knows of them without decoding.

Each part of a filter becomes a test of a whole trace: whether one of its spans may meet it. ``not`` excludes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from devenv.backend.query.encoded_values import EncodedValues
from devenv.backend.query.needles import Needle
from devenv.backend.store.records import StoredService, StoredTrace
from devenv.backend.store.store import Store
from devenv.otlp.values import text
from devenv.otlp.wire import varint
from devenv.traces.filters.constants import field_value, number
from devenv.traces.filters.evaluation import value_test
from devenv.traces.filters.expression import Attribute, Call, Expression, Field, Scalar, conjuncts
from devenv.traces.filters.fields import SPAN_KINDS, STATUSES
from devenv.traces.filters.narrowing import narrowing
from devenv.traces.jaeger_text import as_text

May = Callable[[StoredTrace, bytes], object]

_NAME = b"\x2a"  # field 5 of Span
_KIND = b"\x30"  # field 6 of Span
_STATUS = b"\x18"  # field 3 of Status
_MOST_NAMES = 30
"""Names that are looked for at once; a filter that more names meet excludes little."""
_MOST_TESTED = 2000
"""Names of spans in the whole store; programs that write IDs into them have any number."""

_SERVICES = frozenset({("resource", "service"), ("trace", "service"), ("root", "service")})
_NAMES = frozenset({("span", "name"), ("root", "name")})
_WORDS = {"kind": (_KIND, SPAN_KINDS), "status": (_STATUS, STATUSES)}


def _never(_: StoredTrace, __: bytes) -> bool:
    return False


def may_meet(filter_: Call, store: Store) -> May | None:
    """Return a test of whether a trace may meet a checked filter; ``None`` if any may.

    What the index is asked anyway (:func:`~devenv.traces.filters.narrowing.narrowing`) is left out.
    """
    excluder = _Excluder(store)
    return _every([excluder.test(part) for part in conjuncts(filter_) if not _is_indexed(part)])


def _is_indexed(part: Call) -> bool:
    narrow = narrowing(part)
    return bool(narrow.service or narrow.duration_min or narrow.start_min) and "\ufffd" not in narrow.service


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
        if call.op == "exists":
            return self._attribute(call.args[0], None, lambda _: True)
        if isinstance(call.args[1], Attribute | Field):
            return _every([self._attribute(each, None, lambda _: True) for each in call.args])
        if isinstance(call.args[0], Field):
            return self._field(call, call.args[0])
        return self._attribute(call.args[0], _needle(call), value_test(call))

    def _inner(self, term: Expression) -> May | None:
        return self.test(term) if isinstance(term, Call) else None

    def _attribute(self, reference: Expression, needle: Needle | None, test: Callable[[Any], bool]) -> May | None:
        """Whether a value that passes occurs in the encoded spans, or in a scope or resource that the store has."""
        if not isinstance(reference, Attribute):
            return None
        key, level = reference.key, reference.level
        scopes = () if level in {"span", "event", "link"} else tuple(self._store.scopes)
        for scope in scopes:
            held = scope.attributes if level == "scope" else scope.resource
            if key in held and test(held[key]):
                return None  # of which traces is not known without reading them
        if level in {"resource", "scope"}:
            return _never
        within = (needle or EncodedValues(key, test)).within
        return lambda _, raw: within(raw)

    def _field(self, call: Call, field: Field) -> May | None:
        place = (field.level, field.name)
        if place in _NAMES:
            return self._named(call)
        if place in _SERVICES:
            test = value_test(call)
            return lambda trace, _: any(test(service.name) for service in trace.services)
        constant = call.args[1]
        if field.name in _WORDS and field.level in {"span", "root"}:
            return self._worded(field.name, value_test(call))
        if isinstance(constant, Scalar) and call.op in {"eq", "gt", "gte"}:
            return _above(place, call.op, constant.value)
        return None

    def _named(self, call: Call) -> May | None:
        """Whether a span has one of the names that pass."""
        if sum(len(service.operations) for service in self._store.services.values()) > _MOST_TESTED:
            return None  # to test them all would take as long as a search
        test = value_test(call)
        known = {name for service in self._store.services.values() for name in service.operations}
        names = [name for name in known if name and test(text(name))]
        if len(names) > _MOST_NAMES:
            return None
        if not names:
            return _never
        found = re.compile(b"|".join(re.escape(_NAME + varint(len(name)) + name) for name in names)).search
        return lambda _, raw: found(raw) is not None

    def _worded(self, name: str, test: Callable[[Any], bool]) -> May | None:
        tag, words = _WORDS[name]
        if test(words[0]):  # the default, which is not encoded
            return None
        codes = [code for code, word in enumerate(words) if test(word)]
        encoded = [tag + bytes([code]) for code in codes]
        services = self._with_kinds(codes) if name == "kind" else None
        if services is not None and not services:
            return _never
        if len(encoded) != 1:
            return lambda _, raw: any(each in raw for each in encoded)
        (only,) = encoded
        if services is None:
            return lambda _, raw: only in raw
        return lambda trace, raw: not services.isdisjoint(trace.services) and only in raw

    def _with_kinds(self, kinds: list[int]) -> set[StoredService] | None:
        """The services that have spans of one of these kinds."""
        services = self._store.services.values()
        if sum(len(service.operations) for service in services) > _MOST_TESTED:
            return None
        bits = sum(1 << kind for kind in kinds)
        return {each for each in services if any(operation.kinds & bits for operation in each.operations.values())}


def _needle(call: Call) -> Needle | None:
    """Finds the bytes of a constant, where an equal value has no others."""
    match call:
        case Call("eq", (Attribute(key, _), Scalar(value, _))):
            found = number(value)
            return Needle(key, value) if found is None or as_text(found) == value else None
        case _:
            return None


def _every(tests: list[May | None]) -> May | None:
    known = [test for test in tests if test is not None]
    if len(known) <= 1:
        return known[0] if known else None
    if len(known) == 2:  # without a generator in half the time
        first, second = known
        return lambda trace, raw: first(trace, raw) and second(trace, raw)
    return lambda trace, raw: all(test(trace, raw) for test in known)


def _one(tests: list[May | None]) -> May | None:
    known = [test for test in tests if test is not None]
    if len(known) < len(tests):
        return None
    known = [test for test in known if test is not _never]
    if len(known) <= 1:
        return known[0] if known else _never
    if len(known) == 2:
        first, second = known
        return lambda trace, raw: first(trace, raw) or second(trace, raw)
    return lambda trace, raw: any(test(trace, raw) for test in known)


def _above(place: tuple[str, str], op: str, value: str) -> May | None:
    extra = op == "gt"
    if place in {("span", "duration"), ("root", "duration")}:
        shortest = int(field_value("duration", value)) + extra
        return lambda trace, _: max(trace.longest, 1) >= shortest
    if place == ("trace", "duration"):
        wanted = int(field_value("duration", value)) + extra
        return lambda trace, _: max(trace.end - trace.start, 1) + 1 >= wanted
    if place == ("trace", "spans"):
        least = int(field_value("number", value)) + extra
        return lambda trace, _: trace.spans >= least
    if place == ("trace", "errors") and int(field_value("number", value)) + extra > 0:
        return lambda _, raw: _STATUS + b"\x02" in raw
    return None
