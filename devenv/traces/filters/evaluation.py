"""Makes a test of a filter: a function of a span and its trace, over any form in which spans are stored.

A reference has a number of values: none if it is absent, several if an attribute is both the span's and its
resource's, or if spans have several events. A condition on an absent reference is false, ``ne`` and ``not_in``
included; only ``not`` turns that. Of several values, one has to meet it; with ``ne`` and ``not_in``, all have to.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, Protocol

from devenv.traces.filters import values as tests
from devenv.traces.filters.expression import (
    ORDERED,
    Attribute,
    Call,
    Collection,
    Expression,
    Field,
    Reference,
    Scalar,
    Values,
)
from devenv.traces.filters.fields import FIELDS

Found = Sequence[Any]
"""The values of a reference."""


class TraceView(Protocol):
    """What a filter asks of a whole trace; spans are in the form that the reader reads.

    Attributes:
        root: the earliest span without a parent, ``None`` if there is none.
        known: what :meth:`FilterTest.prepare` found, by the number of its quantifier.
    """

    known: dict[int, Any]

    @property
    def root(self) -> Any:
        """The earliest span without a parent."""
        ...

    def spans(self) -> Iterable[Any]:
        """All spans."""
        ...

    def field(self, name: str) -> Found:
        """The value of a field of level ``trace``."""
        ...


class Reader(Protocol):
    """Reads a span in one form. Each method returns a function that returns the values."""

    def field(self, level: str, name: str) -> Callable[[Any], Found]:
        """A field of level span, resource or scope."""
        ...

    def attribute(self, level: str, key: str) -> Callable[[Any], Found]:
        """An attribute of level span, resource or scope."""
        ...

    def elements(self, level: str) -> Callable[[Any], Sequence[Any]]:
        """The events or links of a span."""
        ...

    def element_field(self, level: str, name: str) -> Callable[[Any, Any], Found]:
        """A field of an event or link of a span, by the span and the element."""
        ...

    def element_attribute(self, level: str, key: str) -> Callable[[Any], Found]:
        """An attribute of an event or link."""
        ...


class Place:
    """Where a condition is tested: at a span, and inside ``some`` at one of its events or links."""

    __slots__ = ("event", "link", "span", "trace")

    def __init__(self, span: Any, trace: TraceView, event: Any = None, link: Any = None) -> None:
        self.span = span
        self.trace = trace
        self.event = event
        self.link = link


Test = Callable[[Place], bool]
Get = Callable[[Place], Found]

_COSTS = {"resource": 0, "span": 1, "scope": 1, "": 2, "event": 3, "link": 3, "root": 4, "trace": 4}
_BETWEEN_STEPS = 256
_COLLECTION_COSTS = {"event": 4, "link": 4, "child": 6, "span": 6}


class FilterTest:
    """The test of a checked filter: :meth:`prepare` for a trace, then :meth:`meets` for its spans.

    Attributes:
        test: the test itself, for a caller that makes one place for many spans.
        whole: whether it asks for more of a trace than one span. If not, a trace need not be prepared.
    """

    def __init__(self, filter_: Call, reader: Reader) -> None:
        maker = _Maker(reader)
        self.test = maker.test(filter_)
        self._quantifiers = maker.quantifiers
        self._span_id = reader.field("span", "spanID")
        self._parent_id = reader.field("span", "parentSpanID")
        self.whole = is_whole(filter_)

    def prepare(self, trace: TraceView) -> Generator[None, None, None]:
        """Find out, in steps, which spans have a child that meets a condition, and whether any span of the trace does.

        Each condition is tested once per span, however many spans ask for it.
        """
        for number, level, inner in self._quantifiers:
            met: set[Any] = set()
            trace.known[number] = met
            for count, span in enumerate(trace.spans()):
                if count % _BETWEEN_STEPS == 0:
                    yield
                if not inner(Place(span, trace)):
                    continue
                if level == "span":
                    met.add("")
                    break
                parent = self._parent_id(span)
                if parent != self._span_id(span):
                    met.update(parent)

    def meets(self, span: Any, trace: TraceView) -> bool:
        """Return whether a span meets the filter."""
        return self.test(Place(span, trace))


def is_whole(term: Expression) -> bool:
    """Return whether a filter, or a part of it, asks for more of a trace than one span."""
    if isinstance(term, Call):
        return any(map(is_whole, term.args))
    return (
        not isinstance(term, Scalar | Values)
        and term.level in {"trace", "root", "child", "span"}
        and (isinstance(term, Collection) or term.level in {"trace", "root"})
    )


class _Maker:
    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.quantifiers: list[tuple[int, str, Test]] = []

    def test(self, call: Call) -> Test:
        if call.op in {"and", "or"}:
            return self._joined(call)
        if call.op == "not":
            inner = self._inner(call.args[0])
            return lambda place: not inner(place)
        if call.op == "some":
            return self._some(call)
        if call.op == "exists":
            get = self._values(call.args[0])
            return lambda place: len(get(place)) > 0
        return self._leaf(call)

    def _inner(self, term: Expression) -> Test:
        if not isinstance(term, Call):
            raise TypeError(f"not a condition: {term!r}")
        return self.test(term)

    def _joined(self, call: Call) -> Test:
        # What is read quickly comes first, and whole traces last: the result is the same in any order.
        parts = [self._inner(each) for each in sorted(call.args, key=_cost)]
        if len(parts) == 2:
            first, second = parts
            if call.op == "and":
                return lambda place: first(place) and second(place)
            return lambda place: first(place) or second(place)
        if call.op == "and":
            return lambda place: all(part(place) for part in parts)
        return lambda place: any(part(place) for part in parts)

    def _some(self, call: Call) -> Test:
        collection, inner = call.args[0], self._inner(call.args[1])
        level = collection.level if isinstance(collection, Collection) else ""
        if level in {"child", "span"}:
            return self._some_spans(level, inner)
        elements = self._reader.elements(level)
        if level == "event":
            return lambda place: any(
                inner(Place(place.span, place.trace, each, place.link)) for each in elements(place.span)
            )
        return lambda place: any(
            inner(Place(place.span, place.trace, place.event, each)) for each in elements(place.span)
        )

    def _some_spans(self, level: str, inner: Test) -> Test:
        # Inner ones come before outer ones, which use their results.
        number = len(self.quantifiers)
        self.quantifiers.append((number, level, inner))
        if level == "span":
            return lambda place: "" in place.trace.known[number]
        span_id = self._reader.field("span", "spanID")
        return lambda place: not place.trace.known[number].isdisjoint(span_id(place.span))

    def _leaf(self, call: Call) -> Test:
        get, constant = self._values(call.args[0]), call.args[1]
        if isinstance(constant, Attribute | Field):
            other, compare = self._values(constant), tests.both(call.op)
            return lambda place: compare(get(place), other(place))
        test = value_test(call)
        if call.op in {"ne", "not_in"}:
            return lambda place: len(found := get(place)) > 0 and all(map(test, found))

        def positive(place: Place) -> bool:
            for value in get(place):  # noqa: SIM110 (any() with a generator takes twice as long)
                if test(value):
                    return True
            return False

        return positive

    def _values(self, reference: Expression) -> Get:
        if not isinstance(reference, Attribute | Field):
            raise TypeError(f"not a reference: {reference!r}")
        level = reference.level
        if level == "trace" and isinstance(reference, Field):
            name = reference.name
            return lambda place: place.trace.field(name)
        if level == "root":
            get = self._of_span(_of_root(reference))
            return lambda place: () if (root := place.trace.root) is None else get(root)
        if level in {"event", "link"}:
            return self._of_elements(reference)
        of_span = self._of_span(reference)
        return lambda place: of_span(place.span)

    def _of_span(self, reference: Reference) -> Callable[[Any], Found]:
        if isinstance(reference, Field):
            return self._reader.field(reference.level, reference.name)
        if reference.level:
            return self._reader.attribute(reference.level, reference.key)
        own, resource = (self._reader.attribute(level, reference.key) for level in ("span", "resource"))
        return lambda span: (*own(span), *resource(span))

    def _of_elements(self, reference: Reference) -> Get:
        level, elements = reference.level, self._reader.elements(reference.level)
        of_one = self._of_element(reference)

        def get(place: Place) -> Found:
            element = place.event if level == "event" else place.link
            if element is not None:
                return of_one(place.span, element)
            return [value for each in elements(place.span) for value in of_one(place.span, each)]

        return get

    def _of_element(self, reference: Reference) -> Callable[[Any, Any], Found]:
        if isinstance(reference, Field):
            return self._reader.element_field(reference.level, reference.name)
        of_element = self._reader.element_attribute(reference.level, reference.key)
        return lambda _, element: of_element(element)


def _of_root(reference: Reference) -> Reference:
    if isinstance(reference, Attribute):
        return Attribute(reference.key)
    return Field("resource" if reference.name == "service" else "span", reference.name)


def value_test(call: Call) -> Callable[[Any], bool]:
    """Return the test of one value of a comparison with a constant, such as an attribute's."""
    reference, constant = call.args
    if call.op in {"ne", "not_in"}:
        equal = value_test(Call("eq" if call.op == "ne" else "in", call.args))
        return lambda value: not equal(value)
    kind = FIELDS[reference.level][reference.name] if isinstance(reference, Field) else ""
    if isinstance(constant, Values):
        return tests.among(constant, kind)
    if not isinstance(constant, Scalar):
        raise TypeError(f"not a constant: {constant!r}")
    if call.op == "regex":
        return tests.matches(constant.value)
    return tests.compares(call.op, constant, kind) if call.op in ORDERED else tests.equals(constant, kind)


def _cost(term: Expression) -> int:
    match term:
        case Call("some", (Collection(level), inner)):
            return _COLLECTION_COSTS[level] + _cost(inner)
        case Call("regex", args):
            return 1 + max(map(_cost, args))
        case Call(_, args):
            return max(map(_cost, args), default=0)
        case Attribute(_, level):
            return 1 + _COSTS[level]
        case Field(level, _):
            return _COSTS[level]
        case _:
            return 0
