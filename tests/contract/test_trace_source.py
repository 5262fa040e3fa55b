"""What every source of traces has in common: the embedded store in process, and both dialects of both backends."""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from typing import Any

import pytest
from trace_sources import Site, ids, prefix, site

from devenv.model.span import Span, SpanEvent, SpanKind, SpanLink, Status
from devenv.model.trace import REQUEST_KEY
from devenv.traces.filters.expression import FilterError
from devenv.traces.filters.text_form import parse
from devenv.traces.newest import recent_spans
from devenv.traces.parts import parts_of
from devenv.traces.query import Query

__all__ = ["prefix", "site"]  # fixtures

MS, SECOND = 10**6, 10**9


def span(service: str, **fields: Any) -> Span:
    start_ns = time.time_ns() // 1000 * 1000 - SECOND
    values: dict[str, Any] = {
        "trace_id": secrets.token_hex(16),
        "span_id": secrets.token_hex(8),
        "service": service,
        "name": "op",
        "kind": SpanKind.SERVER,
        "start_ns": start_ns,
        "end_ns": start_ns + 5 * MS,
    }
    return Span(**values | fields)


def query(service: str | None, **fields: Any) -> Query:
    now = time.time_ns()
    values: dict[str, Any] = {"service": service, "start_ns": now - 60 * SECOND, "end_ns": now + SECOND}
    return Query(**values | fields)


async def test_services_and_operations(site: Site, prefix: str) -> None:
    web, auth = f"{prefix}web", f"{prefix}auth"
    first = span(web, name="GET /", kind=SpanKind.SERVER)
    second = span(web, name="call", kind=SpanKind.CLIENT, trace_id=first.trace_id, parent_id=first.span_id)
    third = span(auth, trace_id=first.trace_id, parent_id=second.span_id)
    await site.store(first, second, third)
    await site.arrived(first.trace_id, 3)
    assert [name for name in await site.source.services() if name.startswith(prefix)] == [auth, web]
    found = await site.source.operations(web)
    assert {(each.name, each.kind) for each in found} == {("GET /", "server"), ("call", "client")}
    assert await site.source.operations(f"{prefix}nothing") == []


async def test_a_trace_is_read_as_it_was_sent(site: Site, prefix: str) -> None:
    root = span(f"{prefix}web", trace_id="00" + secrets.token_hex(15), kind=SpanKind.INTERNAL)
    link = SpanLink(secrets.token_hex(16), secrets.token_hex(8))
    child = span(
        f"{prefix}web",
        trace_id=root.trace_id,
        parent_id=root.span_id,
        name="query",
        kind=SpanKind.CLIENT,
        start_ns=root.start_ns + MS,
        end_ns=root.start_ns + 2 * MS,
        status=Status.ERROR,
        status_message="it broke",
        attributes={"text": "ä", "yes": True, "no": False, "count": -7, "ratio": 0.5},
        events=(SpanEvent(root.start_ns + MS, "exception", {"exception.type": "E"}),),
        links=(link,),
    )
    await site.store(child, root)
    trace = await site.arrived(root.trace_id, 2)
    assert (trace.trace_id, trace.truncated) == (root.trace_id, False)
    assert [each.span_id for each in trace.spans] == [root.span_id, child.span_id]
    resource = {"service.name": f"{prefix}web", "host.name": "h"}
    assert {key: trace.spans[1].resource[key] for key in resource} == resource
    assert [replace(each, resource={}) for each in trace.spans] == [
        replace(each, resource={}, scope="scope") for each in (root, child)
    ]
    assert await site.source.trace(root.trace_id.upper()) == trace
    assert await site.source.trace(secrets.token_hex(16)) is None


async def test_several_traces_at_once(site: Site, prefix: str) -> None:
    spans = [span(f"{prefix}web") for _ in range(130)]
    await site.store(*spans)
    await site.arrived(spans[-1].trace_id, 1)
    wanted = [each.trace_id for each in spans]
    found = await site.source.traces([secrets.token_hex(16), *wanted, wanted[0]])
    assert set(found) == set(wanted)
    assert all(trace.trace_id == trace_id for trace_id, trace in found.items())
    assert await site.source.traces([secrets.token_hex(16)]) == {}


async def test_search_by_each_criterion(site: Site, prefix: str) -> None:
    web, auth = f"{prefix}web", f"{prefix}auth"
    base = time.time_ns() // 1000 * 1000 - 10 * SECOND
    quick = span(web, start_ns=base, end_ns=base + 2 * MS)
    slow = span(web, name="slow", start_ns=base + SECOND, end_ns=base + 2 * SECOND, attributes={"user": 7})
    failed = span(auth, start_ns=base + 2 * SECOND, end_ns=base + 2 * SECOND + MS, status=Status.ERROR)
    below = span(web, trace_id=failed.trace_id, start_ns=base + 2 * SECOND, end_ns=base + 2 * SECOND + 3 * MS)
    await site.store(quick, slow, failed, below)
    await site.arrived(failed.trace_id, 2)
    wanted: list[tuple[dict[str, Any], list[Span]]] = [
        ({}, [failed, slow, quick]),
        ({"limit": 2}, [failed, slow]),
        ({"operation": "slow"}, [slow]),
        ({"min_duration_ns": 3 * MS}, [failed, slow]),
        ({"max_duration_ns": 2 * MS}, [quick]),
        ({"min_duration_ns": 3 * MS, "max_duration_ns": 4 * MS}, [failed]),
        ({"start_ns": base + SECOND}, [failed, slow]),
        ({"end_ns": base + SECOND}, [slow, quick]),
        ({"errors_only": True}, [failed]),
        ({"service": f"{prefix}nothing"}, []),
    ]
    if site.searches_attributes:
        wanted += [({"tags": {"user": "7"}}, [slow]), ({"tags": {"user": "8"}}, [])]
    for criteria, traces in wanted:
        asked = query(web, **criteria) if "service" not in criteria else query(**criteria)
        expected = [each.trace_id for each in traces]
        if "limit" not in criteria:  # the backend chooses the latest to arrive
            assert ids(await site.source.search(asked)) == expected, criteria
            assert ids(await site.source.find(asked)) == expected, criteria
        else:
            assert len(await site.source.search(asked)) == len(await site.source.find(asked)) == len(traces)
    everywhere = ids(await site.source.find(query(None, errors_only=True, limit=200)))
    assert failed.trace_id in everywhere
    assert quick.trace_id not in everywhere


async def test_search_by_a_filter(site: Site, prefix: str) -> None:
    web, db = f"{prefix}web", f"{prefix}db"
    base = time.time_ns() // 1000 * 1000 - 10 * SECOND
    health = span(web, start_ns=base, end_ns=base + 300 * MS, attributes={"http.route": "/health"})
    slow = span(web, start_ns=base + SECOND, end_ns=base + SECOND + 300 * MS, attributes={"http.route": "/x", "n": 7})
    quick = span(web, start_ns=base + 2 * SECOND, end_ns=base + 2 * SECOND + MS, name="quick")
    root = span(web, start_ns=base + 3 * SECOND, end_ns=base + 3 * SECOND + MS, name="root")
    query_span = span(
        db,
        trace_id=root.trace_id,
        parent_id=root.span_id,
        start_ns=base + 3 * SECOND,
        end_ns=base + 3 * SECOND + 2 * MS,
        status=Status.ERROR,
        events=(SpanEvent(base + 3 * SECOND, "exception", {"exception.type": "E"}),),
    )
    await site.store(health, slow, quick, root, query_span)
    await site.arrived(root.trace_id, 2)
    wanted = [
        (f"service = {web} and (status = error or duration > 200ms) and not http.route = /health", {}, [slow]),
        ("status = error or duration > 200ms", {"service": web}, [slow, health]),
        (f"service = {web} and any child(service = {db} and status = error)", {}, [root]),
        (f"any span(service = {web}) and any span(service = {db})", {}, [root]),
        (f"root.service = {web} and trace.errors > 0 and service = {db}", {}, [root]),
        (f"root.service = {web} and trace.spans = 1", {}, [quick, slow, health]),
        (f"service = {web} and n >= 7", {}, [slow]),
        ("n = 7", {"service": web}, [slow]),
        (f"service = {web} and not http.route exists and name ~ 'qu.*k'", {}, [quick]),
        (f"service = {db} and any event(name = exception and exception.type = E)", {}, [root]),
        ("duration < 100ms", {"service": web, "operation": "quick"}, [quick]),
        (f"service = {web}", {"tags": {"http.route": "/x"}}, [slow]),
        (f"service = {web} and trace.duration > 1s", {}, []),
    ]
    for text, criteria, traces in wanted:
        asked = query(**{"service": None, **criteria}, where=parse(text), limit=200)
        selection = await site.source.select(asked)
        assert ids(selection.traces) == [each.trace_id for each in traces], text
        assert (selection.looked_at is None) == site.embedded
        assert ids(await site.source.search(asked)) == ids(await site.source.find(asked)) == ids(selection.traces)
    both = query(web, where=parse("status = error"))
    assert await site.source.search(both) == [], "the error is another service's span"
    first = await site.source.select(query(web, where=parse("duration > 0s"), limit=2))
    assert len(first.traces) == 2


async def test_what_a_filter_cannot_ask_of_jaeger(site: Site, prefix: str) -> None:
    asked = query(f"{prefix}web", where=parse("scope.name = scope and not scope.a = b"))
    await site.store(span(f"{prefix}web"))
    if site.embedded:
        await site.source.select(asked)
    else:
        with pytest.raises(FilterError, match="does not return attributes of scopes"):
            await site.source.select(asked)


async def test_dependencies(site: Site, prefix: str) -> None:
    web, auth = f"{prefix}web", f"{prefix}auth"
    root = span(web)
    calls = [span(auth, trace_id=root.trace_id, parent_id=root.span_id, status=Status.ERROR) for _ in range(2)]
    await site.store(root, *calls)
    await site.arrived(root.trace_id, 3)
    found = await site.source.dependencies(time.time_ns() + SECOND, 60 * SECOND)
    (edge,) = [each for each in found if each.parent == web]
    assert (edge.child, edge.calls) == (auth, 2)
    assert edge.errors == (2 if site.kind == "store" else None)
    assert not [each for each in await site.source.dependencies(root.start_ns - SECOND, SECOND) if each.parent == web]


async def test_evictions_are_reported_by_the_embedded_backend_only(site: Site) -> None:
    assert await site.source.reports_evictions() == site.embedded
    assert await site.source.evicted([secrets.token_hex(16)]) == frozenset()


async def test_the_newest_span_of_each_service(site: Site, prefix: str) -> None:
    web, auth = f"{prefix}web", f"{prefix}auth"
    old, new = span(web), span(web)
    new = replace(new, start_ns=old.start_ns + MS, end_ns=old.end_ns + MS)
    await site.store(old, new)
    await site.arrived(new.trace_id, 1)
    window = {"start_ns": old.start_ns - SECOND, "end_ns": time.time_ns() + SECOND}
    recent = await recent_spans(site.source, [web, auth], since_ns=window["end_ns"], **window)
    assert recent.newest_ns == {web: new.start_ns}


async def test_services_that_continue_the_traces_of_their_callers(site: Site, prefix: str) -> None:
    web, auth = f"{prefix}web", f"{prefix}auth"
    root, alone = span(web), span(auth)
    await site.store(root, alone)
    await site.arrived(alone.trace_id, 1)
    window = {"start_ns": root.start_ns - SECOND, "end_ns": time.time_ns() + SECOND}
    assert (await recent_spans(site.source, [web, auth], since_ns=0, **window)).joined == frozenset()
    await site.store(span(auth, trace_id=root.trace_id, parent_id=root.span_id))
    await site.arrived(root.trace_id, 2)
    assert (await recent_spans(site.source, [web, auth], since_ns=0, **window)).joined == {auth}
    assert (await recent_spans(site.source, [auth], since_ns=window["end_ns"], **window)).joined == frozenset()


async def test_parts_of_a_request_in_other_traces(site: Site, prefix: str) -> None:
    request = secrets.token_hex(16)
    part = span(f"{prefix}auth", attributes={REQUEST_KEY: request})
    other = span(f"{prefix}auth", attributes={REQUEST_KEY: secrets.token_hex(16)})
    await site.store(part, other)
    await site.arrived(other.trace_id, 1)
    window = {"start_ns": part.start_ns - SECOND, "end_ns": time.time_ns()}
    found = ids(await parts_of(site.source, request, services=[f"{prefix}auth"], **window))
    if site.searches_attributes:
        assert found == [part.trace_id]
    else:
        assert part.trace_id in found  # the attribute was ignored


async def test_links_to_pages(site: Site) -> None:
    assert site.source.ui.trace("ab" * 16).endswith(f"/trace/{'ab' * 16}")
    assert "/search?service=web&" in site.source.ui.search("web", 0, SECOND, tags={"a": "b"})
