"""Filters: both forms lead to the same tree, evaluation is what the terms say, input is a filter or an error."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from trace_filters import oracle
from trace_filters.strategies import attributes_at, fields_at, filters, traces

from devenv.traces.filters.expression import Call, FilterError
from devenv.traces.filters.fields import FIELDS
from devenv.traces.filters.json_form import from_json, read_json, to_json
from devenv.traces.filters.model_spans import TraceFilter
from devenv.traces.filters.patterns import Pattern, PatternError
from devenv.traces.filters.text_form import parse
from devenv.traces.filters.text_format import text_of

LEVELS = ["", "span", "resource", "scope", "event", "link", "root"]
ANSWERED = [level for level in FIELDS if level not in {"scope", "link"}]
everything = filters(attributes_at(LEVELS), fields_at(list(FIELDS)))
answered = filters(
    attributes_at(["", "span", "resource", "event", "root"]), fields_at(["span", "event", "trace", "root"])
)
WORDS = [
    "and",
    "or",
    "not",
    "in",
    "any",
    "event",
    "child",
    "exists",
    "(",
    ")",
    "=",
    "!=",
    "~",
    "@",
    ",",
    '"',
    "'",
    "\\",
]
soup = st.lists(st.sampled_from([*WORDS, "a", "span.", "trace.duration", "5ms", "int", ".", "\x00", "é"]), max_size=40)


def outcome(read: Callable[[Any], Any], given_: Any) -> tuple[Any, Any]:
    """What ``read`` makes of an input: its result, or its error."""
    try:
        return read(given_), None
    except (FilterError, PatternError) as error:
        return None, error


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(everything)
def test_both_forms_lead_back_to_the_tree(filter_: Call) -> None:
    assert parse(text_of(filter_)) == filter_
    assert from_json(json.loads(json.dumps(to_json(filter_)))) == filter_
    assert from_json(to_json(parse(text_of(filter_)))) == filter_


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(answered, traces())
def test_evaluation_is_what_the_terms_say(filter_: Call, trace: Any) -> None:
    assert TraceFilter(filter_).matches(trace) == oracle.meets(filter_, trace), text_of(filter_)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.text(), soup.map(" ".join), soup.map("".join)))
def test_any_text_is_a_filter_or_an_error_with_its_column(text: str) -> None:
    found, error = outcome(parse, text)
    if error is None:
        assert parse(text_of(found)) == found
        return
    assert 1 <= error.column <= len(text) + 1
    assert str(error).startswith(f"column {error.column}: ")


documents = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.sampled_from(["eq", "and", "some", "span"])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["op", "args", "call", "attr", "field", "nested", "scalar", "list", "key", "name", "level", "x"]
            ),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=20,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents)
def test_any_document_is_a_filter_or_an_error(document: Any) -> None:
    found, error = outcome(from_json, document)
    if error is None:
        assert from_json(to_json(found)) == found
    else:
        assert error.path.startswith("filter")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(everything, st.data())
def test_a_changed_document_is_a_filter_or_an_error(filter_: Call, data: st.DataObject) -> None:
    text = json.dumps(to_json(filter_))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    with contextlib.suppress(FilterError):
        read_json(text[:start] + data.draw(st.sampled_from(["", "{", "[", '"', "null", "1"])) + text[end:])


pieces = st.lists(
    st.sampled_from(
        ["a", "b", "[ab]", "[^a]", ".", "a*", "b+", "(a|b)", "(?:ab)?", "x{2}", "a{1,3}", "\\d", "\\.", "[0-9-]"]
    ),
    max_size=6,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pieces, st.text("abx5.-\n", max_size=12))
def test_patterns_match_what_python_matches(parts: list[str], text: str) -> None:
    source = "".join(parts)
    assert Pattern(source).within(text) == (re.search(source, text, re.ASCII) is not None)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text("ab()[]{}|*+?\\^$.,-0129:PQxd<>", max_size=30))
@example("(((){1000}){1000}){1000}")
@example("((a{100}){100}){100}")
@example("[")
@example("\\x{")
def test_any_pattern_is_one_or_an_error(source: str) -> None:
    _, error = outcome(lambda given: Pattern(given).within("aab0"), source)
    assert error is None or 0 <= error.position <= len(source)
