"""Random filters and random spans that they have a chance to match."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from devenv.model.span import Span, SpanEvent, SpanKind, SpanLink, Status
from devenv.model.trace import Trace
from devenv.traces.filters.expression import Attribute, Call, Collection, Field, FilterError, Scalar, Values
from devenv.traces.filters.fields import FIELDS, SPAN_KINDS, STATUSES
from devenv.traces.filters.validation import bounded, checked

BASE = 1_700_000_000_000_000_000
KEYS = ["k", "http.route", "odd key", "span.k"]
TEXTS = ["", "a", "5", "5.0", "-3", "true", "0.5", "and", 'a "b"', "/x"]
VALUES: list[Any] = ["a", "5", 5, 5.0, 0.5, True, False, -3, ["a"], b"\x00", "", "/x"]
SERVICES = ["web", "db", "a b"]
NAMES = ["x", "GET /x", ""]

_CONSTANTS = {
    "text": st.sampled_from([*SERVICES, *NAMES, "sc"]),
    "id": st.sampled_from([f"{number:016x}" for number in range(1, 5)]),
    "duration": st.sampled_from(["1ns", "5ns", "10ns", "1us", "0"]),
    "time": st.sampled_from(["2023-11-14T22:13:20Z", "2023-11-14T22:13:20.000000005Z"]),
    "number": st.sampled_from(["0", "1", "2", "3"]),
    "kind": st.sampled_from(SPAN_KINDS),
    "status": st.sampled_from(STATUSES),
}


def attributes_at(levels: list[str]) -> st.SearchStrategy[Any]:
    return st.builds(Attribute, st.sampled_from(KEYS), st.sampled_from(levels))


def fields_at(levels: list[str]) -> st.SearchStrategy[Any]:
    places = [Field(level, name) for level in levels for name in FIELDS[level]]
    return st.sampled_from(places)


def leaves(attributes: st.SearchStrategy[Any], fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Call]:
    @st.composite
    def leaf(draw: Any) -> Call:
        reference = draw(st.one_of(attributes, fields))
        kind = FIELDS[reference.level][reference.name] if isinstance(reference, Field) else ""
        constants = _CONSTANTS[kind] if kind else st.sampled_from(TEXTS)
        op = draw(st.sampled_from(["eq", "ne", "gt", "lt", "gte", "lte", "regex", "exists", "in", "not_in"]))
        if op == "exists":
            return Call(op, (reference,))
        if op in {"in", "not_in"}:
            type_ = "" if kind else draw(st.sampled_from(["string", "int"]))
            if type_ == "int":
                constants = st.sampled_from(["5", "-3"])
            return Call(op, (reference, Values(tuple(draw(st.lists(constants, min_size=1, max_size=3))), type_)))
        if op == "regex":
            return Call(op, (reference, Scalar(draw(st.sampled_from(["a", "[0-9]+", "(a|5)", "/.", "G.T|x*"])))))
        if draw(st.integers(0, 5)) == 0:
            return Call(op, (reference, draw(st.one_of(attributes, fields))))
        if not kind and draw(st.integers(0, 3)) == 0:
            types = {"int": "5", "double": "0.5", "bool": "true", "string": "5"}
            type_ = draw(st.sampled_from(list(types)))
            return Call(op, (reference, Scalar(types[type_], type_)))
        return Call(op, (reference, Scalar(draw(constants))))

    return leaf()


def filters(attributes: st.SearchStrategy[Any], fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Call]:
    """Checked filters; what the checks refuse is left out."""

    def more(inner: st.SearchStrategy[Call]) -> st.SearchStrategy[Call]:
        joined = st.builds(
            lambda op, args: Call(op, tuple(args)),
            st.sampled_from(["and", "or"]),
            st.lists(inner, min_size=2, max_size=3),
        )
        negated = inner.map(lambda each: Call("not", (each,)))
        some = st.builds(
            lambda level, each: Call("some", (Collection(level), each)),
            st.sampled_from(["event", "link", "span", "child"]),
            inner,
        )
        return st.one_of(joined, negated, some)

    return st.recursive(leaves(attributes, fields), more, max_leaves=6).filter(_is_valid)


def _is_valid(call: Call) -> bool:
    try:
        bounded(call)
        _check(call, ())
    except FilterError:
        return False
    return True


def _check(call: Call, quantified: tuple[str, ...]) -> None:
    checked(call, quantified)
    first = call.args[0]
    inside = quantified
    if isinstance(first, Collection):
        inside = (*quantified, first.level) if first.level in {"event", "link"} else ()
    for argument in call.args:
        if isinstance(argument, Call):
            _check(argument, inside)


_held = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=2)


@st.composite
def traces(draw: Any, trace_id: str = "ab" * 16) -> Trace:
    """A trace of one to four spans, whose IDs are 1 to 4."""
    spans = []
    for number in range(1, draw(st.integers(1, 4)) + 1):
        start = BASE + draw(st.integers(0, 20))
        service = draw(st.sampled_from(SERVICES))
        spans.append(
            Span(
                trace_id=trace_id,
                span_id=f"{number:016x}",
                parent_id=draw(st.sampled_from([None, *(f"{each:016x}" for each in range(1, 6))])),
                service=service,
                name=draw(st.sampled_from(NAMES)),
                kind=draw(st.sampled_from(SpanKind)),
                start_ns=start,
                end_ns=start + draw(st.integers(-2, 12)),
                status=draw(st.sampled_from(Status)),
                status_message=draw(st.sampled_from(["", "broke"])),
                attributes=draw(_held),
                events=tuple(
                    SpanEvent(start + draw(st.integers(0, 9)), draw(st.sampled_from(NAMES)), draw(_held))
                    for _ in range(draw(st.integers(0, 2)))
                ),
                links=tuple(
                    SpanLink("cd" * 16, f"{draw(st.integers(1, 3)):016x}") for _ in range(draw(st.integers(0, 1)))
                ),
                resource={**draw(_held), "service.name": service},
                scope=draw(st.sampled_from(["", "sc"])),
                trace_state=draw(st.sampled_from(["", "a=b"])),
            )
        )
    return Trace(trace_id, tuple(spans))
