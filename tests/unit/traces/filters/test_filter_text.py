"""The text form: what it means, and errors that point at the column."""

from __future__ import annotations

import time

import pytest

from devenv.traces.filters.expression import (
    MAX_LENGTH,
    Attribute,
    Call,
    Collection,
    Expression,
    Field,
    FilterError,
    Scalar,
    Values,
)
from devenv.traces.filters.text_form import parse
from devenv.traces.filters.text_format import text_of

SERVICE, NAME, DURATION = Field("resource", "service"), Field("span", "name"), Field("span", "duration")


def compared(op: str, reference: Expression, value: str, type_: str = "") -> Call:
    return Call(op, (reference, Scalar(value, type_)))


WEB = compared("eq", SERVICE, "web")
ONE = compared("eq", Attribute("a"), "1")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("service = web", WEB),
        ("service == 'web'", WEB),
        ("(service=web)", WEB),
        ("operation = 'GET /x'", compared("eq", NAME, "GET /x")),
        ("duration >= 1.5s", compared("gte", DURATION, "1.5s")),
        ("status != error", compared("ne", Field("span", "status"), "error")),
        ("http.route ~ '/api/.*'", compared("regex", Attribute("http.route"), "/api/.*")),
        ("a ~ '\\d+'", compared("regex", Attribute("a"), "\\d+")),
        ("resource.host.name = h", compared("eq", Attribute("host.name", "resource"), "h")),
        ('span."duration" = 5', compared("eq", Attribute("duration", "span"), "5")),
        ('"service" = x', compared("eq", Attribute("service"), "x")),
        ("a = int(1)", compared("eq", Attribute("a"), "1", "int")),
        ("a exists", Call("exists", (Attribute("a"),))),
        ("a in (1)", ONE),
        ("a in (1, 2)", Call("or", (ONE, compared("eq", Attribute("a"), "2")))),
        ("a not in (1, 2)", Call("and", (compared("ne", Attribute("a"), "1"), compared("ne", Attribute("a"), "2")))),
        ("a in int(1, 2)", Call("in", (Attribute("a"), Values(("1", "2"), "int")))),
        ("service not in (web, db)", Call("not_in", (SERVICE, Values(("web", "db"))))),
        ("span.startTime < @span.endTime", Call("lt", (Field("span", "startTime"), Field("span", "endTime")))),
        ("not a = 1 and a = 1", Call("and", (Call("not", (ONE,)), ONE))),
        ("a = 1 or a = 1 AND a = 1", Call("or", (ONE, Call("and", (ONE, ONE))))),
        ("a = 1 and (a = 1 and a = 1)", Call("and", (ONE, Call("and", (ONE, ONE))))),
        ("any child(service = web)", Call("some", (Collection("child"), WEB))),
        ("any event(name = e)", Call("some", (Collection("event"), compared("eq", Field("event", "name"), "e")))),
        ("any event(a = 1)", Call("some", (Collection("event"), compared("eq", Attribute("a", "event"), "1")))),
        ("any event(.a = 1)", Call("some", (Collection("event"), ONE))),
        ("trace.spans > 3", compared("gt", Field("trace", "spans"), "3")),
        ("root.http.route = /x", compared("eq", Attribute("http.route", "root"), "/x")),
    ],
)
def test_a_text_is_its_tree(text: str, tree: Call) -> None:
    assert parse(text) == tree
    assert parse(text_of(tree)) == tree


def test_the_example_of_the_documentation_is_written_as_it_was_read() -> None:
    text = "service = web and (status = error or duration > 200ms) and not http.route = /health"
    assert text_of(parse(text)) == text


@pytest.mark.parametrize(
    ("text", "column", "message", "hint"),
    [
        ("", 1, "empty", "for example"),
        ("service", 8, "found the end, expected one of = !=", ""),
        ("service = ", 11, "found the end, expected a value", ""),
        ("service = and", 11, "found 'and', expected a value", "quotes"),
        ("status = eror", 10, "expected one of unset, ok, error", "did you mean 'error'?"),
        ("duration > 200", 12, "found '200', expected a duration with a unit", ""),
        ("a = 1 adn b = 2", 7, "found 'adn', expected 'and', 'or' or the end", ""),
        ("(a = 1 or b = 2", 16, "expected ')' for the '(' at column 1", ""),
        ("a = 1)", 6, "found ')', expected 'and', 'or' or the end", ""),
        ("any evnt(a = 1)", 5, "expected one of event, link, span, child", "did you mean 'event'?"),
        ("trace.spnas > 1", 1, "expected one of trace.duration", "did you mean 'spans'?"),
        ("a = 'x", 5, "without its end", "closing '"),
        ("a ! b", 3, "no meaning", ""),
        ("a ~ '^x'", 5, "no anchors", ""),
        ("a ~ '(x'", 5, "found '(' without ')'", ""),
        ("status > error", 1, "no order", "compare with ="),
        ("trace.spans > many", 15, "expected a whole number", ""),
        ("span.startTime > yesterday", 18, "expected a time in RFC 3339", ""),
        ("a = int(x)", 5, "expected a whole number", ""),
        ("any event(any event(a = 1))", 15, "inside another one on one event", ""),
        ("a in (1 2)", 9, "found '2', expected ',' or ')'", ""),
        ("a not (1)", 7, "expected 'in' after 'not'", "in front of a condition"),
        ("span. = 1", 1, "expected a name after it", ""),
        ("'' = 1", 1, "empty key", ""),
        ("= 1", 1, "expected a field, an attribute", ""),
        ("a = @1 and b = @", 17, "found the end", ""),
    ],
)
def test_an_error_points_at_the_column(text: str, column: int, message: str, hint: str) -> None:
    with pytest.raises(FilterError) as error:
        parse(text)
    assert (error.value.column, message in error.value.message, hint in error.value.hint) == (column, True, True), (
        error.value.column,
        error.value.message,
        error.value.hint,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(" * 5_000, "nests more than 20 deep"),
        ("not " * 3_000 + "a=1", "nests more than 20 deep"),
        ("any child(" * 1_000, "nests more than 20 deep"),
        ("a=1 and " * 1_500 + "a=1", "more than 500 conditions"),
        ("a in (" + "1," * 5_000 + "1)", "more than 500 conditions"),
        ("a = '" + "x" * MAX_LENGTH + "'", f"expected at most {MAX_LENGTH}"),
    ],
)
def test_depth_and_size_are_bounded(text: str, message: str) -> None:
    began = time.thread_time()
    with pytest.raises(FilterError, match=message):
        parse(text)
    baseline = time.thread_time()
    sum(number * number for number in range(1_000_000))
    assert baseline - began < 20 * (time.thread_time() - baseline)


def test_twenty_levels_are_accepted() -> None:
    text = "not " * 19 + "a = 1"
    assert text_of(parse(text)) == text
