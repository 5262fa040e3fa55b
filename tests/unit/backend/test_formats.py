"""Small formats of the backend: times, durations, ids, values, varints, the ring of evicted ids, rates."""

from __future__ import annotations

import math
from typing import Any

import pytest

from devenv.backend.store.evicted_ids import EvictedIds
from devenv.backend.store.rate import Rate
from devenv.otlp.batches import walk
from devenv.otlp.wire import FieldBudget, TooLarge, Undecodable, fields, read_varint, varint
from devenv.traces.ids import parse_trace_id, show_trace_id
from devenv.traces.jaeger_text import as_text
from devenv.traces.times import parse_bool, parse_duration, parse_integer, parse_rfc3339


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("1ns", 1),
        ("1us", 1_000),
        ("1µs", 1_000),
        ("1μs", 1_000),
        ("1.5ms", 1_500_000),
        (".5s", 500_000_000),
        ("1.s", 1_000_000_000),
        ("1h2m3s", 3_723_000_000_000),
        ("-2s", -2_000_000_000),
        ("+2s", 2_000_000_000),
        ("0.000000001s", 1),
    ],
)
def test_go_durations(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "5", "s", "1d", "1 s", "1s ", "--1s", ".s", "1e3s", "9999999999h", "1sx"])
def test_what_is_no_go_duration(text: str) -> None:
    with pytest.raises(ValueError, match="invalid duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.000000001Z", 1_000_000_001),
        ("1970-01-01t00:00:01.5z", 1_500_000_000),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:30:00.25-00:30", 250_000_000),
        ("2026-11-23T08:04:00Z", 1_795_421_040_000_000_000),
    ],
)
def test_rfc_3339(text: str, nanoseconds: int) -> None:
    assert parse_rfc3339(text) == nanoseconds


@pytest.mark.parametrize(
    "text", ["", "2026-11-23", "2026-11-23T08:04:00", "2026-13-01T00:00:00Z", "now", "1970-01-01T00:00:00Z "]
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_rfc3339(text)


def test_integers_and_booleans() -> None:
    assert parse_integer("-12") == -12
    for bad in ("", "1.0", "1e3", " 1", "9" * 19, "٣"):
        with pytest.raises(ValueError, match="invalid syntax"):
            parse_integer(bad)
    assert (parse_bool("T"), parse_bool("0")) == (True, False)
    with pytest.raises(ValueError, match="invalid syntax"):
        parse_bool("yes")


def test_trace_ids() -> None:
    whole = "0123456789abcdef0123456789ABCDEF"
    assert parse_trace_id(whole).hex() == whole.lower()
    assert parse_trace_id("1") == bytes(15) + b"\x01"
    assert show_trace_id(parse_trace_id("abc")) == "0000000000000abc"
    assert show_trace_id(parse_trace_id(whole)) == whole.lower()
    for bad in ("", "g", "0" * 33, "0x1", "1\n"):
        with pytest.raises(ValueError, match=r"(?i)hex"):
            parse_trace_id(bad)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (True, "true"),
        (-5, "-5"),
        (2.0, "2"),
        (0.1, "0.1"),
        (1e16, "10000000000000000"),
        (123456789012345680000.0, "123456789012345680000"),
        (1e21, "1e+21"),
        (1.5e22, "1.5e+22"),
        (1e-6, "0.000001"),
        (1.25e-5, "0.0000125"),
        (1e-7, "1e-7"),
        (-2.5e-9, "-2.5e-9"),
        (math.nan, "NaN"),
        (-math.inf, "-Inf"),
        (b"\x01", "AQ=="),
        (None, ""),
        ([], "[]"),
        ([None, "é<", b"\x01", 1.0], '[null,"é\\u003c","AQ==",1]'),
        ({"b": 1, "a": {"c": []}}, '{"a":{"c":[]},"b":1}'),
    ],
)
def test_values_as_go_prints_them(value: Any, text: str) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**32, 2**64 - 1])
def test_varints(value: int) -> None:
    encoded = varint(value)
    assert read_varint(encoded + b"\xff", 0, len(encoded)) == (value, len(encoded))


@pytest.mark.parametrize("data", [b"\x80", b"\xff" * 11, b"\x00\x01", b"\x0a\x05a", b"\x09\x00", b"\x0b", b"\x0d\x00"])
def test_what_is_no_message(data: bytes) -> None:
    with pytest.raises(Undecodable):
        list(fields(data, 0, len(data), FieldBudget()))


def test_fields_of_all_wire_types() -> None:
    data = b"\x08\x96\x01" + b"\x11" + bytes(8) + b"\x1d" + bytes(4) + b"\x22\x02hi"
    assert list(fields(data, 0, len(data), FieldBudget())) == [(4, len(data) - 2, len(data))]


def test_evicted_ids_are_remembered_in_a_ring() -> None:
    ring = EvictedIds(capacity=100)
    ids = [number.to_bytes(16, "big") for number in range(250)]
    for each in ids:
        ring.add(each)
    assert (ring.total, ring.forgotten) == (250, 150)
    assert ring.among(ids) == ids[150:]
    assert ring.among(ids[148:152]) == ids[150:152]  # few are looked up another way than many
    shifted = ids[200][8:] + ids[201][:8]
    assert ring.among([shifted]) == []


def test_a_rate_counts_whole_seconds_of_the_window() -> None:
    rate = Rate()
    for second in range(100):
        rate.add(20, second + 0.5)
    assert rate.per_second(100.1) == 20
    assert rate.per_second(105.0) == 10
    assert rate.per_second(200.0) == 0
    assert len(rate._counts) <= 12


@pytest.mark.slow
def test_a_walk_over_more_fields_than_a_request_may_have_ends() -> None:
    with pytest.raises(TooLarge):
        list(fields(b"\x08\x00" * 11, 0, 22, FieldBudget(10)))
    with pytest.raises(TooLarge):
        list(walk(b"\x0a\x00" * 2_000_001))
