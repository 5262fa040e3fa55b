"""Adjusted traces and raw ones, the archive, and search without a service, on both servers.

Jaeger moves no times by default: it warns by how much a clock seems to be off. What Jaeger 2.13 does not answer is
tested on the embedded backend.
"""

from __future__ import annotations

import random
import secrets
import time
from typing import Any

import pytest
from otlp_build import MS, SECOND, make_span, one, request, resource_spans, span_id, trace_id
from query_servers import Backend, backend, embedded, real, service

__all__ = ["backend", "embedded", "real", "service"]  # fixtures

START = 1_700_000_000_000_000_000


def warnings(backend: Backend, trace: bytes) -> dict[str, list[str]]:
    """By the names of the spans that have some, in API v3.

    The legacy API of Jaeger 2.13 tells hosts apart by an attribute ``ip`` that OpenTelemetry does not have; that of a
    later one is as v3.
    """
    found = {}
    answer = backend.get(f"/api/v3/traces/{trace.hex()}").json()
    for group in answer["result"]["resourceSpans"]:
        for span in (span for scope in group["scopeSpans"] for span in scope["spans"]):
            for pair in span.get("attributes", ()):
                if pair["key"] == "@jaeger@warnings":
                    texts = [each["stringValue"] for each in pair["value"]["arrayValue"]["values"]]
                    found[span["name"]] = texts
    if backend.name == "embedded":
        by_name = {span["operationName"]: span["warnings"] for span in backend.trace(trace)["spans"]}
        assert {name: len(texts) for name, texts in by_name.items() if texts} == {
            name: len(texts) for name, texts in found.items()
        }
    return found


def raw_warnings(backend: Backend, trace: bytes) -> list[str]:
    """Of all spans, in the raw trace of the legacy dialect; that of API v3 has none of the adjusters."""
    window = {"start_time": "2023-11-14T00:00:00Z", "end_time": "2023-11-15T00:00:00Z"}
    answer = backend.get(f"/api/v3/traces/{trace.hex()}", raw_traces="true", **window).text
    spans = backend.get(f"/api/traces/{trace.hex()}", raw="true").json()["data"][0]["spans"]
    assert "skew adjustment" not in answer
    return [text for span in spans for text in span["warnings"] or ()]


def two_hosts(service: str, trace: bytes, start: int, took: int, resource: dict[str, Any] | None = None) -> bytes:
    """A parent of 100 ms on one host, and a child of other times on another."""
    root = span_id()
    parent = make_span(trace, id=root, name="parent", start=START, took=100 * MS)
    child = make_span(trace, parent=root, name="child", start=START + start, took=took)
    own = resource if resource is not None else {"host.name": "b"}
    return request(
        resource_spans(service, parent, resource={"host.name": "a"}), resource_spans(service, child, resource=own)
    )


@pytest.mark.parametrize(
    ("start", "took", "resource", "delta"),
    [
        (10 * MS, 50 * MS, None, ""),
        (-10 * MS, 50 * MS, None, "35ms"),
        (80 * MS, 50 * MS, None, "-55ms"),
        (-10 * MS, 150 * MS, None, "10ms"),
        (20 * MS, 150 * MS, None, ""),
        (-90 * SECOND - 1, 50 * MS, None, "1m30.025000001s"),
        (-2 * 3600 * SECOND, 150 * MS, None, "2h0m0s"),
        (-1500, 150 * MS, None, "1.5µs"),
        (-7, 150 * MS, None, "7ns"),
        (-10 * MS, 50 * MS, {"host.name": "a"}, ""),
        (-10 * MS, 50 * MS, {}, "35ms"),
        (-10 * MS, 50 * MS, {"host.name": "a", "host.id": "b"}, "35ms"),
        (-10 * MS, 50 * MS, {"host.name": "b", "host.ip": ["a", "c"]}, ""),
        (-10 * MS, 50 * MS, {"host.name": "a", "host.ip": []}, ""),
    ],
)
def test_the_warning_about_a_clock(
    backend: Backend, service: str, start: int, took: int, resource: dict[str, Any] | None, delta: str
) -> None:
    trace = trace_id()
    backend.store(two_hosts(service, trace, start, took, resource), trace)
    text = f"clock skew adjustment disabled; not applying calculated delta of {delta}"
    assert raw_warnings(backend, trace) == []  # first: Jaeger 2.13 adjusts what its memory holds
    assert warnings(backend, trace) == ({"child": [text]} if delta else {})


def test_a_raw_trace_has_no_warning_about_its_parents(backend: Backend, service: str) -> None:
    trace, parent = trace_id(), span_id()
    backend.store(one(service, make_span(trace, parent=parent, name="orphan")), trace)
    text = f"parent span ID={parent.hex()} is not in the trace; skipping clock skew adjustment"
    assert raw_warnings(backend, trace) == []
    assert warnings(backend, trace) == {"orphan": [text]}


def test_a_span_that_ends_before_it_starts_is_remarked_on_in_the_raw_trace_too(backend: Backend, service: str) -> None:
    trace = trace_id()
    spans = (
        make_span(trace, name="back", start=START + 5, took=-5),
        make_span(trace, name="none", start=START, took=0),
    )
    backend.store(one(service, *spans), trace)
    told = "Negative duration detected, sanitizing end timestamp. Original end timestamp: 2023-11-14 22:13:20"
    back = f"{told} +0000 UTC, adjusted to: 2023-11-14 22:13:20.000000006 +0000 UTC"
    none = f"{told} +0000 UTC, adjusted to: 2023-11-14 22:13:20.000000001 +0000 UTC"
    assert warnings(backend, trace) == {"back": [back], "none": [none]}
    assert sorted(raw_warnings(backend, trace)) == sorted([back, none])


def test_a_clock_is_judged_in_a_large_trace(backend: Backend, service: str) -> None:
    trace, root = trace_id(), span_id()
    parent = make_span(trace, id=root, name="parent", start=START, took=100 * MS)
    children = [make_span(trace, parent=root, name=f"child {n}", start=START + n * MS, took=5 * MS) for n in range(300)]
    backend.store(one(service, parent, *children), trace)
    found = warnings(backend, trace)
    assert found.keys() == {f"child {number}" for number in range(96, 300)}
    assert found["child 96"][0].endswith("calculated delta of -48.5ms")


@pytest.mark.jaeger
def test_both_warn_alike_of_anything(embedded: Backend, real: Backend) -> None:
    chance = random.Random(20261128)
    told = 0
    for _ in range(60):
        trace = chance.randbytes(16)
        ids = [chance.randbytes(8) for _ in range(chance.randint(2, 9))]
        groups = []
        for index, own in enumerate(ids):
            parent = chance.choice([*ids[:index], chance.randbytes(8)]) if index else b""
            span = make_span(
                trace,
                id=own,
                parent=parent,
                name=own.hex(),
                start=START + chance.randint(-3, 3) * 10 * MS + chance.randint(0, 3),
                took=chance.randint(0, 5) * 10 * MS + chance.randint(0, 2),
            )
            host = chance.choice([{"host.name": "a"}, {"host.name": "b"}, {"host.id": "a"}, {}])
            groups.append(resource_spans("clocks", span, resource=host))
        for each in (embedded, real):
            each.store(request(*groups), trace)
        expected = warnings(real, trace)
        assert warnings(embedded, trace) == expected
        told += sum("delta" in text for texts in expected.values() for text in texts)
    assert told > 60


def test_the_archive_is_not_configured(backend: Backend, service: str) -> None:
    trace = trace_id()
    backend.store(one(service, make_span(trace)), trace)
    for known in (trace, trace_id()):
        response = backend.client.post(f"{backend.query_url}/api/archive/{known.hex()}")
        assert response.status_code == 500
        assert response.json() == {
            "data": None,
            "total": 0,
            "limit": 0,
            "offset": 0,
            "errors": [{"code": 500, "msg": "archive span storage was not configured"}],
        }
    assert backend.client.post(f"{backend.query_url}/api/archive/xyz").status_code == 400


# --- beyond Jaeger 2.13 -----------------------------------------------------------------------------------------------


def test_search_without_a_service_in_the_legacy_dialect(embedded: Backend, service: str) -> None:
    first, second = trace_id(), trace_id()
    attributes = {"run": secrets.token_hex(4)}
    now = time.time_ns() - SECOND
    for name, trace in ((f"{service}-a", first), (f"{service}-b", second)):
        embedded.store(one(name, make_span(trace, start=now, attributes=attributes)), trace)
    response = embedded.get("/api/traces", tag=f"run:{attributes['run']}")
    assert response.status_code == 200
    assert {each["traceID"] for each in response.json()["data"]} == {first.hex(), second.hex()}


def test_deep_dependencies(embedded: Backend, service: str) -> None:
    """The rules of Jaeger's UI: a step for another service and for a server; paths through the service only."""
    trace, other = trace_id(), trace_id()
    ids = [span_id() for _ in range(6)]
    front, back, store = f"{service}-front", service, f"{service}-store"

    def body(trace: bytes, start: int) -> bytes:
        return request(
            resource_spans(
                front,
                make_span(trace, id=ids[0], name="GET /", kind=2, start=start),
                make_span(trace, id=ids[1], parent=ids[0], name="call", kind=3, start=start),
                make_span(trace, id=ids[5], parent=ids[0], name="render", kind=1, start=start),
            ),
            resource_spans(
                back,
                make_span(trace, id=ids[2], parent=ids[1], name="POST /b", kind=2, start=start),
                make_span(trace, id=ids[3], parent=ids[2], name="inner", kind=1, start=start),
            ),
            resource_spans(store, make_span(trace, id=ids[4], parent=ids[3], name="get", kind=2, start=start)),
        )

    for each, start in ((trace, START), (other, START + 3600 * SECOND)):
        embedded.store(body(each, start), each)
    path = [
        {"service": front, "operation": "GET /"},
        {"service": back, "operation": "POST /b"},
        {"service": store, "operation": "get"},
    ]
    for url in ("/analytics/v1/dependencies", "/api/deep-dependencies"):
        (found,) = embedded.get(url, service=back, start=0, end=0).json()["dependencies"]
        assert found["path"] == path
        assert {(each["key"], each["value"]) for each in found["attributes"]} == {
            ("exemplar_trace_id", trace.hex()),
            ("exemplar_trace_id", other.hex()),
        }
    (found,) = embedded.get("/analytics/v1/dependencies", service=back, end=START // 1000 + 1).json()["dependencies"]
    assert [each["value"] for each in found["attributes"]] == [trace.hex()]
    assert len(embedded.get("/analytics/v1/dependencies", service=front).json()["dependencies"]) == 2
    for parameters in ({"operation": "inner"}, {"operation": "none"}):
        answer = embedded.get("/analytics/v1/dependencies", service=back, **parameters)
        assert answer.json() == {"dependencies": []}
    assert embedded.get("/analytics/v1/dependencies").status_code == 400
    assert embedded.get("/analytics/v1/dependencies", service=back, start="soon").status_code == 400


def test_quality_metrics_count_what_is_stored(embedded: Backend, service: str) -> None:
    trace, root = trace_id(), span_id()
    now = time.time_ns() - SECOND
    orphan, unset = span_id(), span_id()
    spans = (
        make_span(trace, id=root, start=now),
        make_span(trace, id=orphan, parent=span_id(), start=now),
        make_span(trace, id=unset, parent=root, start=now, kind=0),
        make_span(trace, parent=root, start=now - 7200 * SECOND),
    )
    embedded.store(one(service, *spans), trace)
    document = embedded.get("/api/quality-metrics", service=service, hours=1).json()
    metrics = {each["name"]: each for each in document["metrics"]}
    counts = {name: (each["passCount"], each["failureCount"], each["exemptionCount"]) for name, each in metrics.items()}
    assert counts == {"Parents": (1, 1, 1), "Unique span IDs": (3, 0, 0), "Span kinds": (2, 1, 0), "Times": (3, 0, 0)}
    assert metrics["Parents"]["failureExamples"] == [{"traceID": trace.hex(), "spanIDs": [orphan.hex()]}]
    assert metrics["Span kinds"]["failureExamples"] == [{"traceID": trace.hex(), "spanIDs": [unset.hex()]}]
    assert {each["key"]: each["value"] for each in document["scores"]} == {"completeness": 50, "correctness": 90}
    assert {each["category"] for each in metrics.values()} == {each["key"] for each in document["scores"]}
    assert "bannerText" not in document
    nothing = embedded.get("/api/quality-metrics", service=f"{service}-none", hours=1).json()
    assert (nothing["metrics"], nothing["scores"]) == ([], [])
    assert "No span of" in nothing["bannerText"]
    assert embedded.get("/api/quality-metrics", hours=1).status_code == 400
    assert embedded.get("/api/quality-metrics", service=service, hours=0).status_code == 400
