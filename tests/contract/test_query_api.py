"""Search, and random traces and queries compared between both servers.

Whatever is asserted here holds on a real Jaeger and on the embedded backend; the differences on purpose are in the unit
and integration tests of the backend.
"""

from __future__ import annotations

import json
import random
import secrets
import time
from typing import Any

import pytest
from otlp_build import MS, SECOND, make_span, one, request, resource_spans, trace_id
from query_servers import Backend, backend, embedded, real, service

__all__ = ["backend", "embedded", "real", "service"]  # fixtures


# --- search -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def stored(backend: Backend, service: str) -> dict[str, str]:
    """Traces of one service under short names, told apart by what a search can ask for."""
    now = time.time_ns() // 1000 * 1000
    recent = now - SECOND
    ids = {name: trace_id() for name in ("quick", "slow", "old", "failed", "split")}
    other = f"{service}-other"
    backend.store(
        request(
            resource_spans(
                service,
                make_span(ids["quick"], name="get", start=recent, took=2 * MS, attributes={"code": 200, "k": "v"}),
                make_span(ids["slow"], name="get", start=recent, took=200 * MS, attributes={"code": "200"}),
                make_span(ids["old"], name="put", start=now - 3600 * SECOND, took=20 * MS, attributes={"ok": True}),
                make_span(ids["failed"], name="put", start=recent, took=20 * MS, status=2, attributes={"f": 1.5}),
                make_span(ids["split"], name="one", start=recent, took=3 * MS, attributes={"first": "1"}),
                make_span(ids["split"], name="two", start=recent, took=30 * MS, attributes={"second": "2"}),
                resource={"zone": "eu"},
            ),
            resource_spans(other, make_span(ids["quick"], name="far", start=recent, took=MS)),
        ),
        *ids.values(),
    )
    return {each.hex(): name for name, each in ids.items()}


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, "quick slow old failed split"),
        ({"operation": "get"}, "quick slow"),
        ({"operation": "far"}, ""),
        ({"minDuration": "20ms"}, "slow old failed split"),
        ({"minDuration": "20.001ms"}, "slow split"),
        ({"maxDuration": "2ms"}, "quick"),
        ({"minDuration": "2ms", "maxDuration": "3000us"}, "quick split"),
        ({"minDuration": "0.1s"}, "slow"),
        ({"tags": '{"code":"200"}'}, "quick slow"),
        ({"tag": "code:200"}, "quick slow"),
        ({"tag": ["code:200", "k:v"]}, "quick"),
        ({"tags": '{"ok":"true"}'}, "old"),
        ({"tags": '{"f":"1.5"}'}, "failed"),
        ({"tags": '{"zone":"eu"}', "operation": "put"}, "old failed"),
        ({"tags": '{"zone":"us"}'}, ""),
        ({"tags": '{"code":"20"}'}, ""),
        ({"tags": '{"first":"1"}'}, "split"),
        ({"tags": '{"first":"1","second":"2"}'}, ""),  # each on another span
        ({"tags": '{"first":"1"}', "minDuration": "10ms"}, ""),  # likewise
        ({"operation": "two", "maxDuration": "10ms"}, ""),
        ({"lookback": "1h"}, "quick slow old failed split"),  # Jaeger's server does not know it: its UI does
    ],
)
def test_search(
    backend: Backend, service: str, stored: dict[str, str], parameters: dict[str, Any], expected: str
) -> None:
    found = {stored[each] for each in backend.search(service, **parameters)}
    assert found == set(expected.split())


def test_search_by_time(backend: Backend, service: str) -> None:
    base = 1_600_000_000_000_000  # µs
    early, late = trace_id(), trace_id()
    spans = (make_span(early, start=base * 1000), make_span(late, start=(base + 100) * 1000))
    backend.store(one(service, *spans), early, late)
    assert backend.search(service) == []  # the default window is the last two days
    assert set(backend.search(service, start=base, end=base + 100)) == {early.hex(), late.hex()}
    assert backend.search(service, start=base, end=base + 99) == [early.hex()]
    assert backend.search(service, start=base + 1, end=base + 100) == [late.hex()]
    assert backend.search(service, start=base + 1, end=base + 99) == []


def test_search_finds_attributes_of_events(backend: Backend, service: str) -> None:
    trace = trace_id()
    backend.store(one(service, make_span(trace, events=[("e", 1, {"where": "here"})])), trace)
    assert backend.search(service, tag="where:here") == [trace.hex()]


def test_the_latest_to_arrive_come_first_and_the_limit_counts_traces(backend: Backend, service: str) -> None:
    ids = [trace_id() for _ in range(5)]
    for each in ids:
        backend.store(one(service, make_span(each), make_span(each)), each)
    newest_first = [each.hex() for each in reversed(ids)]
    assert backend.search(service, limit=3) == newest_first[:3]
    assert backend.search(service) == newest_first


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": "many"},
        {"limit": "-1"},
        {"limit": "0"},
        {"start": "yesterday"},
        {"end": "1.5"},
        {"minDuration": "5"},
        {"minDuration": "1h", "maxDuration": "1s"},
        {"tag": "novalue"},
        {"tags": "{"},
        {"tags": '{"a":1}'},
        {"tags": "[]"},
        {"traceID": "zz"},
        {"raw": "maybe"},
    ],
)
def test_bad_parameters_are_told_in_the_envelope(backend: Backend, service: str, parameters: dict[str, str]) -> None:
    response = backend.get("/api/traces", **{"service": service, **parameters})
    assert response.status_code >= 400
    document = response.json()
    assert document["data"] is None
    assert document["errors"][0]["code"] == response.status_code
    assert document["errors"][0]["msg"]


def test_an_unknown_service_has_no_traces(backend: Backend, service: str) -> None:
    document = backend.get("/api/traces", service=service).json()
    assert (document["data"], document["errors"]) == ([], None)


# --- both at once -----------------------------------------------------------------------------------------------------


def random_trace(chance: random.Random, services: list[str], now: int) -> tuple[bytes, bytes]:
    """A trace id and a request with its spans, of any shape that Jaeger accepts."""
    trace = chance.randbytes(16)
    ids = [chance.randbytes(8) for _ in range(chance.randint(1, 8))]
    groups: dict[str, list[Any]] = {}
    values = (
        "x",
        "Ωµ <&>",
        7,
        -3,
        2**60,
        1.5,
        1e21,
        1e-7,
        0.1,
        True,
        False,
        b"\x01",
        ["a", 2, 2.5],
        {"z": 1, "a": "b"},
    )
    for index, own in enumerate(ids):
        parent = chance.choice([b"", *ids[:index], chance.randbytes(8)]) if index else b""
        attributes = {f"key{chance.randint(1, 6)}": chance.choice(values) for _ in range(chance.randint(0, 5))}
        span = make_span(
            trace,
            id=own,
            parent=parent,
            name=chance.choice(["get", "put", "delete"]),
            kind=chance.randint(0, 5),
            start=now - chance.randint(1, 3600) * SECOND + chance.randint(0, 999_999),
            took=chance.choice([1_000, 50_000, 3 * MS, 40 * MS, 2 * SECOND]),
            attributes=attributes,
            status=chance.choice([0, 0, 1, 2]),
            message=chance.choice(["", "why"]),
            events=[("e", 5, {"k": chance.choice(values)})] * chance.randint(0, 2),
            links=[(chance.randbytes(16), chance.randbytes(8), {})] * chance.randint(0, 1),
        )
        groups.setdefault(chance.choice(services), []).append(span)
    parts = [resource_spans(name, *spans, resource={"n": len(spans)}) for name, spans in groups.items()]
    return trace, request(*parts)


def normal(document: dict[str, Any]) -> dict[str, Any]:
    """A legacy trace without what the order of map iteration in Jaeger leaves open."""
    processes = {key: (one["serviceName"], json.dumps(one["tags"])) for key, one in document["processes"].items()}
    spans = {}
    for span in document["spans"]:
        logs = sorted(span.pop("logs"), key=json.dumps)
        # Jaeger 2.13 tells hosts apart in another way here than in API v3, where clock skew is compared.
        warnings = [text for text in span.pop("warnings") or () if "delta" not in text]
        process = processes[span.pop("processID")]
        spans[span["spanID"]] = {**span, "logs": logs, "warnings": warnings, "process": process}
    return {"traceID": document["traceID"], "spans": spans, "processes": sorted(processes.values())}


@pytest.mark.jaeger
def test_both_answer_alike_to_anything(embedded: Backend, real: Backend) -> None:
    chance = random.Random(20261123)
    services = [f"both-{secrets.token_hex(3)}-{name}" for name in "abc"]
    traces = [random_trace(chance, services, time.time_ns()) for _ in range(60)]
    for trace, body in traces:
        for each in (embedded, real):
            each.store(body, trace)
        assert normal(embedded.trace(trace)) == normal(real.trace(trace))
    keys = [f"key{number}" for number in range(1, 7)]
    texts = ["x", "Ωµ <&>", "7", "-3", str(2**60), "1.5", "1e+21", "1e-7", "0.1", "true", "AQ==", '["a",2,2.5]']
    hits = 0
    for _ in range(120):
        query: dict[str, Any] = {"limit": 1000}
        if chance.random() < 0.4:
            query["operation"] = chance.choice(["get", "put", "none"])
        if chance.random() < 0.5:
            query["tags"] = json.dumps({chance.choice(keys): chance.choice(texts)})
        if chance.random() < 0.4:
            query["minDuration"] = chance.choice(["2us", "3ms", "41ms"])
        if chance.random() < 0.3:
            query["maxDuration"] = chance.choice(["50ms", "3s"])
        if chance.random() < 0.3:
            query["start"] = time.time_ns() // 1000 - 1800 * 10**6
        name = chance.choice(services)
        found = embedded.search(name, **query)
        assert found == real.search(name, **query), query
        hits += len(found)
    assert hits > 100, "the queries are too narrow to tell anything"
