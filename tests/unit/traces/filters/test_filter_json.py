"""The JSON form: Jaeger's documents are read, and what it refuses is refused with the place."""

from __future__ import annotations

from typing import Any

import pytest

from devenv.traces.filters.expression import FilterError
from devenv.traces.filters.json_form import from_json, read_json, to_json
from devenv.traces.filters.text_form import parse

KEY = {"attr": {"key": "a"}}
ONE = {"scalar": {"value": "1"}}


def call(op: str, *args: Any) -> dict[str, Any]:
    return {"op": op, "args": list(args)}


@pytest.mark.parametrize(
    ("document", "text"),
    [
        # The examples of Jaeger's RFC 0005.
        (call("eq", {"attr": {"key": "http.status_code"}}, {"scalar": {"value": "500"}}), "http.status_code = 500"),
        (
            call(
                "and",
                {"call": call("gt", {"field": {"name": "duration", "level": "span"}}, {"scalar": {"value": "2s"}})},
                {"call": call("in", KEY, {"list": {"values": ["500", "503"], "type": "int"}})},
            ),
            "duration > 2s and a in int(500, 503)",
        ),
        (
            call("ne", *({"attr": {"key": "enduser.id", "level": level}} for level in ("span", "resource"))),
            "span.enduser.id != @resource.enduser.id",
        ),
        (
            call(
                "some",
                {"nested": {"level": "event"}},
                {
                    "call": call(
                        "gt", {"field": {"name": "timeSinceStart", "level": "event"}}, {"scalar": {"value": "50us"}}
                    )
                },
            ),
            "any event(timeSinceStart > 50us)",
        ),
        # A constant on the left is turned round, null is absent.
        (call("gt", {"scalar": {"value": "1", "type": None}}, KEY), "a < 1"),
    ],
)
def test_documents_of_jaeger(document: dict[str, Any], text: str) -> None:
    found = from_json(document)
    assert found == parse(text)
    assert from_json(to_json(found)) == found


@pytest.mark.parametrize(
    ("document", "path", "message"),
    [
        (None, "filter", "found null, expected an object with op, args"),
        ([], "filter", "found []"),
        ({"op": "eq", "arg": []}, "filter", "found the key 'arg'"),
        ({"op": 5}, "filter.op", "found 5, expected text"),
        ({"op": "eq", "args": "x"}, "filter.args", 'found "x", expected a list'),
        (call("matches", KEY, ONE), "filter", "found the operator 'matches', expected one of and, or"),
        (call("eq", KEY), "filter", "'eq' takes 2 arguments, found 1"),
        (call("eq", {"attribute": {}}, ONE), "filter.args[0]", "found the key 'attribute'"),
        (call("eq", {}, ONE), "filter.args[0]", "found 0 keys"),
        (call("eq", {"attr": {"key": ""}}, ONE), "filter.args[0]", "no key"),
        (call("eq", {"attr": {"key": "a", "level": "process"}}, ONE), "filter.args[0]", "found the level 'process'"),
        (call("eq", {"field": {"name": "duration"}}, ONE), "filter.args[0]", "found the level ''"),
        (call("eq", {"field": {"name": "took", "level": "span"}}, ONE), "filter.args[0]", "no field 'took'"),
        (call("eq", KEY, {"scalar": {"value": 1}}), "filter.args[1].scalar.value", "found 1, expected text"),
        (call("eq", KEY, {"scalar": {"value": "x", "type": "int"}}), "filter.args[1]", "expected a whole number"),
        (call("eq", KEY, {"scalar": {"value": "x", "type": "json"}}), "filter.args[1]", "found the type 'json'"),
        (call("eq", ONE, ONE), "filter.args[0]", "expected a field or an attribute"),
        (call("gt", KEY, {"scalar": {"value": "true", "type": "bool"}}), "filter.args[1]", "no order"),
        (call("in", KEY, {"list": {"values": ["1"]}}), "filter.args[1]", "takes a type"),
        (call("in", KEY, {"list": {"values": []}}), "filter.args[1]", "at least one value"),
        (call("in", KEY, {"list": {"values": [1]}}), "filter.args[1].list.values", "list of texts"),
        (call("and", {"call": call("exists", KEY)}), "filter", "at least two"),
        (call("not", KEY), "filter.args[0]", "joins conditions"),
        (call("some", KEY, {"call": call("exists", KEY)}), "filter.args[0]", "collections"),
        (call("some", {"nested": {"level": "event"}}, ONE), "filter.args[1]", "takes a condition"),
        (call("exists", {"nested": {"level": "event"}}), "filter.args[0]", "expected a field or an attribute"),
        (
            call("not", {"call": call("regex", KEY, {"scalar": {"value": "a*?"}})}),
            "filter.args[0].call.args[1]",
            "lazy",
        ),
        (
            call("regex", {"field": {"name": "duration", "level": "span"}}, ONE),
            "filter.args[0]",
            "a pattern matches text",
        ),
        (
            call("eq", *({"field": {"name": name, "level": "span"}} for name in ("duration", "name"))),
            "filter.args[1]",
            "different kinds of value",
        ),
    ],
)
def test_what_jaeger_refuses(document: Any, path: str, message: str) -> None:
    with pytest.raises(FilterError) as error:
        from_json(document)
    assert (error.value.path, message in str(error.value)) == (path, True), str(error.value)


def test_depth_is_bounded() -> None:
    document = call("exists", KEY)
    for _ in range(19):
        document = call("not", {"call": document})
    from_json(document)
    with pytest.raises(FilterError, match="nests more than 20 deep"):
        from_json(call("not", {"call": document}))


@pytest.mark.parametrize("text", ["", "{", "[" * 10_000, '{"op":' * 2_000, "NaN", '"' + "x" * 20_000 + '"'])
def test_text_that_is_no_document(text: str) -> None:
    with pytest.raises(FilterError):
        read_json(text)
