"""The trace client against a real Jaeger: both dialects give the same traces."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
import urllib.request
from typing import Any

import pytest

from devenv.errors import BackendUnavailable
from devenv.model.span import Span, SpanEvent, SpanKind, SpanLink, Status
from devenv.otlp.span_encoding import encode_request, encode_span
from devenv.traces import client as client_module
from devenv.traces.client import TraceClient
from devenv.traces.dialect import DialectCapabilities
from devenv.traces.export import SpanExporter
from devenv.traces.query import Query

pytestmark = pytest.mark.jaeger


def span(trace_id: str, parent: Span | None = None, **fields: Any) -> Span:
    now = time.time_ns() // 1000 * 1000
    values: dict[str, Any] = {
        "trace_id": trace_id,
        "span_id": secrets.token_hex(8),
        "parent_id": parent.span_id if parent else None,
        "service": "shop",
        "name": "GET /",
        "kind": SpanKind.SERVER,
        "start_ns": now,
        "end_ns": now + 5_000_000,
    }
    return Span(**values | fields)


async def store(otlp_url: str, *spans: Span) -> None:
    async with SpanExporter(otlp_url) as exporter:
        for service in {each.service for each in spans}:
            chosen = [encode_span(each) for each in spans if each.service == service]
            body = encode_request({"service.name": service, "host.name": "h"}, "scope", chosen)
            response = await exporter._http.request(
                "POST", "/v1/traces", headers={"content-type": "application/x-protobuf"}, body=body
            )
            assert response.status == 200


async def arrived(client: TraceClient, trace_id: str, spans: int) -> None:
    async with asyncio.timeout(10):
        while True:
            trace = await client.trace(trace_id)
            if trace is not None and len(trace.spans) == spans:
                return


@pytest.fixture
def service() -> str:
    return f"svc-{secrets.token_hex(4)}"


@pytest.fixture(params=["v3", "legacy"])
async def client(request: pytest.FixtureRequest, jaeger: Any) -> Any:
    """The client, once as it probes and once where only the other dialect is spoken."""
    async with TraceClient(jaeger.query_url) as made:
        if request.param == "legacy":
            made._found = DialectCapabilities(legacy=True)
        yield made


async def test_probe_tells_what_this_jaeger_speaks(jaeger: Any) -> None:
    async with TraceClient(jaeger.query_url) as client:
        assert await client.probe() == DialectCapabilities(summaries=False, v3=True, legacy=True, embedded=False)


async def test_a_trace_comes_back_as_it_was_sent(jaeger: Any, client: TraceClient, service: str) -> None:
    trace_id = "00" + secrets.token_hex(15)
    root = span(trace_id, service=service, kind=SpanKind.INTERNAL)
    link = SpanLink(secrets.token_hex(16), secrets.token_hex(8))
    child = span(
        trace_id,
        root,
        service=service,
        name="query",
        kind=SpanKind.CLIENT,
        status=Status.ERROR,
        status_message="it broke",
        attributes={"text": "ä", "yes": True, "no": False, "count": -7, "ratio": 0.5},
        events=(SpanEvent(root.start_ns + 1_000, "exception", {"exception.type": "E"}),),
        links=(link,),
    )
    await store(jaeger.otlp_url, root, child)
    await arrived(client, trace_id, 2)
    trace = await client.trace(trace_id.upper())
    assert trace is not None
    by_id = {each.span_id: each for each in trace.spans}
    found = by_id[child.span_id]
    for name in ("trace_id", "parent_id", "service", "name", "kind", "start_ns", "end_ns", "status", "status_message"):
        assert getattr(found, name) == getattr(child, name), name
    assert {key: found.attributes[key] for key in child.attributes} == child.attributes
    assert not {"span.kind", "otel.status_code", "error"} & set(found.attributes)
    assert found.events == child.events
    assert [(each.trace_id, each.span_id) for each in found.links] == [(link.trace_id, link.span_id)]
    assert found.resource["host.name"] == "h"
    assert found.scope == "scope"
    assert by_id[root.span_id].parent_id is None


async def test_missing_traces_are_none_and_left_out(jaeger: Any, client: TraceClient, service: str) -> None:
    there = span(secrets.token_hex(16), service=service)
    await store(jaeger.otlp_url, there)
    await arrived(client, there.trace_id, 1)
    missing = secrets.token_hex(16)
    assert await client.trace(missing) is None
    assert set(await client.traces([missing, there.trace_id, there.trace_id])) == {there.trace_id}
    assert await client.traces([missing]) == {}


async def test_many_traces_come_in_batches(jaeger: Any, client: TraceClient, service: str) -> None:
    spans = [span(secrets.token_hex(16), service=service) for _ in range(client_module.BATCH * 2 + 5)]
    await store(jaeger.otlp_url, *spans)
    await arrived(client, spans[-1].trace_id, 1)
    found = await client.traces([each.trace_id for each in spans])
    assert set(found) == {each.trace_id for each in spans}


async def test_search_by_each_criterion(jaeger: Any, client: TraceClient, service: str) -> None:
    slow = span(secrets.token_hex(16), service=service, name="slow")
    slow = span(slow.trace_id, service=service, name="slow", start_ns=slow.start_ns, end_ns=slow.start_ns + 10**9)
    bad = span(secrets.token_hex(16), service=service, name="bad", status=Status.ERROR, attributes={"user": "7"})
    await store(jaeger.otlp_url, slow, bad)
    await arrived(client, bad.trace_id, 1)
    client._found = DialectCapabilities(legacy=True)  # before Jaeger 2.19, v3 searches ignore attributes

    async def found(**criteria: Any) -> set[str]:
        window = {"start_ns": slow.start_ns - 10**9, "end_ns": time.time_ns() + 10**9}
        return {each.trace_id for each in await client.search(Query(**{"service": service} | window | criteria))}

    both = {slow.trace_id, bad.trace_id}
    assert await found() == both
    assert await found(operation="slow") == {slow.trace_id}
    assert await found(min_duration_ns=10**8) == {slow.trace_id}
    assert await found(max_duration_ns=10**8) == {bad.trace_id}
    assert await found(tags={"user": "7"}) == {bad.trace_id}
    assert await found(tags={"user": "8"}) == set()
    assert await found(errors_only=True) == {bad.trace_id}
    assert len(await found(limit=1)) == 1
    assert await found(end_ns=slow.start_ns - 10**8) == set()
    assert await found(service=None) >= both


async def test_summary_says_what_a_search_result_shows(jaeger: Any, client: TraceClient, service: str) -> None:
    root = span(secrets.token_hex(16), service=service, name="top")
    child = span(root.trace_id, root, service=f"{service}-b", status=Status.ERROR)
    lost = span(root.trace_id, service=service, parent_id="00000000000000aa")
    await store(jaeger.otlp_url, root, child, lost)
    await arrived(client, root.trace_id, 3)
    query = Query(service=service, start_ns=root.start_ns - 10**9, end_ns=root.end_ns + 10**9)
    (summary,) = await client.search(query)
    assert (summary.root_service, summary.root_operation) == (service, "top")
    assert (summary.spans, summary.errors, summary.orphans) == (3, 1, 1)
    assert set(summary.services) == {(service, 2, 0), (f"{service}-b", 1, 1)}


async def test_services_and_operations(jaeger: Any, client: TraceClient, service: str) -> None:
    one = span(secrets.token_hex(16), service=service, name="op", kind=SpanKind.SERVER)
    await store(jaeger.otlp_url, one)
    await arrived(client, one.trace_id, 1)
    assert service in await client.services()
    assert [(each.name, each.kind) for each in await client.operations(service)] == [("op", "server")]
    assert await client.operations("no such service") == []


async def test_dependencies_between_services(jaeger: Any, client: TraceClient, service: str) -> None:
    root = span(secrets.token_hex(16), service=service)
    await store(jaeger.otlp_url, root, span(root.trace_id, root, service=f"{service}-b"))
    await arrived(client, root.trace_id, 2)
    found = await client.dependencies(time.time_ns() + 10**9, 60 * 10**9)
    assert [each.calls for each in found if (each.parent, each.child) == (service, f"{service}-b")] == [1]


async def test_links_to_the_ui_are_answered_by_jaeger(jaeger: Any, service: str) -> None:
    client = TraceClient(jaeger.query_url)
    now = time.time_ns()
    for url in (client.ui.trace("ab" * 16), client.ui.search(service, now, now, tags={"a": "b"})):
        status = await asyncio.to_thread(lambda url=url: urllib.request.urlopen(url).status)
        assert status == 200


async def test_jaeger_does_not_say_what_it_evicted(client: TraceClient) -> None:
    assert await client.evicted([secrets.token_hex(16)]) == frozenset()


async def test_an_otlp_port_is_no_query_api(jaeger: Any) -> None:
    async with TraceClient(jaeger.otlp_url) as client:
        with pytest.raises(BackendUnavailable, match="does not provide a Jaeger query API"):
            await client.services()


async def test_jaeger_itself_reads_the_same_root_span(jaeger: Any, service: str) -> None:
    """None of devenv's parsing: what the encoder sends is what Jaeger's JSON shows."""
    root = span(secrets.token_hex(16), service=service, name="load default", kind=SpanKind.INTERNAL)
    await store(jaeger.otlp_url, root)
    async with TraceClient(jaeger.query_url) as client:
        await arrived(client, root.trace_id, 1)
    url = f"{jaeger.query_url}/api/traces/{root.trace_id}"
    answer = await asyncio.to_thread(lambda: json.load(urllib.request.urlopen(url)))
    (stored,) = answer["data"][0]["spans"]
    assert stored["spanID"] == root.span_id
    assert stored["operationName"] == "load default"
    assert stored["duration"] == 5000
    assert {"key": "span.kind", "type": "string", "value": "internal"} in stored["tags"]
