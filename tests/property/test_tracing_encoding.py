"""The encoder against protobuf's own decoder."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.trace import SpanContext, SpanKind, StatusCode, TraceFlags

from devenv.tracing.configuration.resolution import resolve
from devenv.tracing.context.tracestate import LevelTwoState
from devenv.tracing.export.encoding import Encoder
from devenv.tracing.export.redaction import Redactor
from devenv.tracing.export.wire import read_fields, varint
from devenv.tracing.light.span import LightSpan
from devenv.tracing.light.unsampled import LocalTrace
from devenv.tracing.testing import decode

text = st.text(max_size=20)
keys = st.text(min_size=1, max_size=12)
scalars = st.one_of(
    text,
    st.booleans(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=20),
    st.none(),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)
attributes = st.dictionaries(keys, values, max_size=8)


class Owner:
    scope = ("a scope", "1.2", "https://schema", {"k": 1})
    limits = resolve(None, environ={})


def span_of(name="n", kind=SpanKind.INTERNAL, kept=None, trace_id=1, parent_id=0, remote=False, flags=1, state=None):
    local = LocalTrace(f"{trace_id:032x}", flags)
    if state is not None:
        local.state = state
    span = LightSpan(Owner, local, name, kind, parent_id, remote, None, dict(kept or {}), 1_700_000_000_000_000_000)
    span.end_time = 1_700_000_000_000_000_123
    span.eventful = True
    return span


def through(encoder, *spans):
    resource = encoder.resource({"service.name": "s", "process.pid": 7})
    return decode(encoder.request(resource, {1: (Owner.scope, [encoder.encode(span) for span in spans])}))


@settings(max_examples=150, deadline=None)
@given(
    text,
    st.sampled_from(list(SpanKind)),
    attributes,
    st.integers(1, (1 << 128) - 1),
    st.integers(0, (1 << 64) - 1),
    st.booleans(),
    st.integers(0, 3),
    st.lists(st.tuples(st.integers(0, (1 << 64) - 1), text, attributes, st.integers(0, 300)), max_size=3),
    st.lists(st.tuples(st.integers(1, (1 << 128) - 1), st.integers(1, (1 << 64) - 1), attributes), max_size=3),
    st.sampled_from(list(StatusCode)),
)
def test_every_field_reads_back(name, kind, kept, trace_id, parent_id, remote, flags, events, links, status):
    span = span_of(name, kind, kept, trace_id, parent_id, remote, flags, LevelTwoState([("a", "1"), ("1b@c", "x y")]))
    span.raw_events = events
    span.raw_links = [(SpanContext(t, s, True, TraceFlags(1)), a, 0) for t, s, a in links]
    span.status_code, span.status_message = status, "went wrong" if status is StatusCode.ERROR else None
    span.dropped_attributes, span.dropped_events, span.dropped_links = 1, 200, 70_000
    encoder = Encoder(Redactor(enabled=False))
    for _ in range(2):  # the second time from what is remembered
        (found,) = through(encoder, span)
        assert (found.name, found.kind) == (name, kind.name.lower())
        assert (found.trace_id, found.span_id) == (f"{trace_id:032x}", f"{span.span_id:016x}")
        assert found.parent_id == (f"{parent_id:016x}" if parent_id else "")
        assert found.attributes == kept
        assert [type(value) for value in found.attributes.values()] == [type(value) for value in kept.values()]
        assert [(n, a) for n, a in found.events] == [(n, a) for _, n, a, _ in events]
        assert found.links == tuple((f"{t:032x}", f"{s:016x}") for t, s, _ in links)
        assert (found.status, found.status_message) == (
            status.name.lower(),
            "went wrong" if status is StatusCode.ERROR else "",
        )
        assert (found.dropped_attributes, found.dropped_events, found.dropped_links) == (1, 200, 70_000)
        assert found.flags == flags | 0x100 | (0x200 if remote else 0)
        assert found.trace_state == "a=1,1b@c=x y"
        assert (found.start_ns, found.end_ns) == (1_700_000_000_000_000_000, 1_700_000_000_000_000_123)
        assert (found.scope, found.resource) == ("a scope", {"service.name": "s", "process.pid": 7})


def test_values_that_are_equal_but_of_other_types_are_kept_apart():
    encoder = Encoder(Redactor())
    for value in (1, True, 1.0, "1", 0, False, 0.0, -0.0, (1,), (True,), (1.0,)):
        (found,) = through(encoder, span_of(kept={"k": value}))
        assert type(found.attributes["k"]) is type(value)
        assert found.attributes["k"] == value
        if isinstance(value, float):
            assert math.copysign(1, found.attributes["k"]) == math.copysign(1, value)
        if isinstance(value, tuple):
            assert type(found.attributes["k"][0]) is type(value[0])


def test_what_cannot_be_said_in_otlp_is_text():
    (found,) = through(Encoder(Redactor()), span_of(kept={"big": 1 << 70, "lone": "a\ud800b", "nan": math.nan}))
    assert found.attributes["big"] == str(1 << 70)
    assert found.attributes["lone"] == "a?b"
    assert math.isnan(found.attributes["nan"])


def test_caches_are_bounded():
    encoder = Encoder(Redactor())
    for number in range(5000):
        encoder.encode(span_of(name=f"n{number}", kept={f"key{number}": "v", "id": f"value {number}"}))
    assert len(encoder._names) <= 2048
    assert len(encoder._keys) <= 1024
    assert not encoder._keys["id"].repeats
    assert not encoder._keys["id"].texts
    (found,) = through(encoder, span_of(name="n4999", kept={"key4999": "w", "id": "again"}))
    assert (found.name, found.attributes) == ("n4999", {"key4999": "w", "id": "again"})


def test_redaction_and_lengths_apply_while_encoding():
    encoder = Encoder(Redactor(), span_length=5, other_length=3)
    span = span_of(kept={"password": "secret", "url.full": "http://h/?token=1", "long": "x" * 9, "list": ("abcdefgh",)})
    span.raw_events = [(1, "exception", {"exception.message": "ab password=1", "n": "abcdef"}, 0)]
    span.status_code, span.status_message = StatusCode.ERROR, "password=hunter2"
    (found,) = through(encoder, span)
    assert found.attributes == {"password": "[REDACTED]", "url.full": "http:", "long": "xxxxx", "list": ("abcde",)}
    assert found.events == (("exception", {"exception.message": "ab ", "n": "abc"}),)
    assert "hunter2" not in found.status_message


@settings(max_examples=200, deadline=None)
@given(st.integers(0, (1 << 64) - 1))
def test_varint_reads_back(number):
    assert read_fields(b"\x08" + varint(number)) == [(1, number)]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40))
def test_arbitrary_bytes_raise_nothing_but_value_errors(data):
    try:
        read_fields(data)
    except ValueError:
        return
