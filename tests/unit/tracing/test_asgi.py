from __future__ import annotations

import asyncio

import pytest
from opentelemetry.context import get_current

from devenv import tracing
from devenv.tracing.clients import NO_CALL, begin_call
from devenv.tracing.configuration.resolution import resolve
from devenv.tracing.testing import assert_trace, recording

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


@pytest.fixture(params=["light", "sdk"])
def rec(request):
    with recording({"provider": request.param, "service_name": "web"}) as made:
        yield made


class Route:
    path = "/items/{item_id}"


def call(app, path="/items/1", headers=(), method="GET", **scope):
    """Run one request; the messages that the application sent."""
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b""}

    described = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "query_string": b"",
        "scheme": "http",
        "server": ("web.test", 8080),
        "client": ("10.0.0.1", 4000),
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        **scope,
    }
    asyncio.run(app(described, receive, send))
    return sent


def answering(status=200, route=Route, work=None):
    async def app(scope, receive, send):
        if route is not None:
            scope["route"] = route
        if work is not None:
            work()
        await send({"type": "http.response.start", "status": status, "headers": [(b"x", b"y")]})
        await send({"type": "http.response.body", "body": b""})

    return app


def test_root_span_of_a_request_without_parent(rec):
    call(
        tracing.TracingMiddleware(answering()),
        headers=[("user-agent", "curl"), ("authorization", "Bearer x"), ("cookie", "a")],
    )
    found = rec.span("GET /items/{item_id}")
    assert (found.kind, found.parent_id, found.status) == ("server", "", "unset")
    assert found.attributes == {
        "http.request.method": "GET",
        "url.path": "/items/1",
        "url.scheme": "http",
        "server.address": "web.test",
        "server.port": 8080,
        "client.address": "10.0.0.1",
        "network.peer.address": "10.0.0.1",
        "network.peer.port": 4000,
        "network.protocol.version": "1.1",
        "user_agent.original": "curl",
        "http.route": "/items/{item_id}",
        "http.response.status_code": 200,
    }
    assert found.flags & 3 == 3


def test_child_of_the_caller_with_state_and_baggage(rec):
    seen = {}

    def work():
        headers: dict[str, str] = {}
        tracing.inject(headers)
        seen.update(headers)

    headers = [
        ("traceparent", f"00-{TRACE}-{PARENT}-01"),
        ("tracestate", "1a=b"),
        ("tracestate", " c=d"),
        ("baggage", "devenv.request=r1;p=2,k=v"),
    ]
    call(tracing.TracingMiddleware(answering(work=work)), headers=headers)
    (found,) = rec.spans()
    assert (found.trace_id, found.parent_id) == (TRACE, PARENT)
    assert found.attributes["devenv.request"] == "r1"
    assert found.flags & 0x300 == 0x300
    assert seen["traceparent"] == f"00-{TRACE}-{found.span_id}-01"
    assert seen["tracestate"] == found.trace_state == "1a=b,c=d"
    assert seen["baggage"] == "devenv.request=r1;p=2,k=v"


def test_unsampled_caller_costs_no_span_and_is_passed_on(rec):
    seen = []

    def work():
        for _ in range(2):
            headers: dict[str, str] = {}
            with tracing.span("business"), tracing.client_span("GET", "http://u/", headers):
                tracing.add_event("e")
            seen.append(headers)

    headers = [("traceparent", f"00-{TRACE}-{PARENT}-02"), ("tracestate", "a=1"), ("baggage", "k=v")]
    call(tracing.TracingMiddleware(answering(500, work=work)), headers=headers)
    assert rec.spans() == []
    for headers in seen:
        version, trace_id, parent_id, flags = headers["traceparent"].split("-")
        assert (version, trace_id, flags) == ("00", TRACE, "02")
        assert parent_id != PARENT
        assert (headers["tracestate"], headers["baggage"]) == ("a=1", "k=v")
    assert seen[0]["traceparent"] != seen[1]["traceparent"]


@pytest.mark.parametrize(
    "parents",
    [
        [f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-01"],
        [f"00-{TRACE}-{PARENT}-01-x"],
        [f"ff-{TRACE}-{PARENT}-01"],
        [f"00-{TRACE.upper()}-{PARENT}-01"],
        [f"00-{'0' * 32}-{PARENT}-01"],
        [f"00-{TRACE}-{'0' * 16}-01"],
        [""],
    ],
)
def test_invalid_parents_begin_a_new_trace_without_state(rec, parents):
    headers = [("traceparent", parent) for parent in parents]
    call(tracing.TracingMiddleware(answering()), headers=[*headers, ("tracestate", "a=1")])
    (found,) = rec.spans()
    assert found.trace_id != TRACE
    assert (found.parent_id, found.trace_state) == ("", "")


def test_higher_version_is_answered_as_version_00(rec):
    sent = call(
        tracing.TracingMiddleware(answering(), trace_response=True),
        headers=[("traceparent", f"cc-{TRACE}-{PARENT}-ff-more")],
    )
    (found,) = rec.spans()
    assert dict(sent[0]["headers"])[b"traceresponse"].decode() == f"00-{TRACE}-{found.span_id}-03"
    assert (b"x", b"y") in sent[0]["headers"]


@pytest.mark.parametrize("environ", [{}, {"OTEL_TRACES_SAMPLER_ARG": "0"}, {"OTEL_SDK_DISABLED": "true"}])
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_headers_that_can_be_read_once_reach_the_program(environ, kind):
    seen = []

    async def app(scope, receive, send):
        seen.extend(scope["headers"])

    with recording({"service_name": "web"}, environ=environ):
        headers = iter([[b"host", b"web.test"], [b"traceparent", f"00-{TRACE}-{PARENT}-01".encode()]])
        scope = {"type": kind, "method": "GET", "path": "/", "query_string": b"", "scheme": "http", "headers": headers}
        asyncio.run(tracing.TracingMiddleware(app)(scope, None, None))
    assert [name for name, _ in seen] == [b"host", b"traceparent"]


def test_no_trace_response_unless_switched_on(rec):
    sent = call(tracing.TracingMiddleware(answering()))
    assert b"traceresponse" not in dict(sent[0]["headers"])


def test_trace_response_of_an_unsampled_request(rec):
    sent = call(
        tracing.TracingMiddleware(answering(), trace_response=True),
        headers=[("traceparent", f"00-{TRACE}-{PARENT}-00")],
    )
    version, trace_id, _, flags = dict(sent[0]["headers"])[b"traceresponse"].decode().split("-")
    assert (version, trace_id, flags) == ("00", TRACE, "00")


@pytest.mark.parametrize(("status", "expected"), [(200, "unset"), (404, "unset"), (500, "error"), (503, "error")])
def test_status(rec, status, expected):
    call(tracing.TracingMiddleware(answering(status, route=None)))
    found = rec.span("GET")
    assert found.status == expected
    assert found.attributes["http.response.status_code"] == status
    assert found.attributes.get("error.type") == (str(status) if status >= 500 else None)
    assert "http.route" not in found.attributes


def test_exception_is_recorded_without_its_secret_and_raised_again(rec):
    async def app(scope, receive, send):
        raise RuntimeError("password=hunter2")

    with pytest.raises(RuntimeError):
        call(tracing.TracingMiddleware(app))
    found = rec.span("GET")
    assert (found.status, found.attributes["error.type"]) == ("error", "RuntimeError")
    assert "hunter2" not in str(found)
    assert found.events[0][1]["exception.message"] == "password=[REDACTED]"


def test_cancelled_request(rec):
    async def app(scope, receive, send):
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        call(tracing.TracingMiddleware(app))
    found = rec.span("GET")
    assert (found.status, found.attributes["error.type"]) == ("unset", "asyncio.CancelledError")


def test_excluded_paths_and_what_they_call_are_not_traced(rec):
    def work():
        with tracing.span("below"):
            pass

    app = tracing.TracingMiddleware(answering(work=work))
    call(app, path="/healthz")
    call(app, path="/readyz", headers=[("traceparent", f"00-{TRACE}-{PARENT}-01")])
    assert rec.spans() == []
    call(tracing.TracingMiddleware(answering(), exclude=["/items/1"]))
    assert rec.spans() == []
    call(tracing.TracingMiddleware(answering(), exclude=[]), path="/healthz")
    assert len(rec.spans()) == 1


def test_query_secrets_and_unknown_methods(rec):
    call(tracing.TracingMiddleware(answering()), method="BREW", query_string=b"a=1&token=abc")
    found = rec.span("HTTP /items/{item_id}")
    assert found.attributes["http.request.method"] == "_OTHER"
    assert found.attributes["http.request.method_original"] == "BREW"
    assert found.attributes["url.query"] == "a=1&token=[REDACTED]"


@pytest.mark.parametrize("provider", ["light", "sdk"])
@pytest.mark.parametrize(
    ("known", "method", "name", "recorded", "original"),
    [
        (None, "BREW", "HTTP", "_OTHER", "BREW"),
        (None, "get", "HTTP", "_OTHER", "get"),
        (None, "QUERY", "QUERY", "QUERY", None),
        ("GET,BREW", "BREW", "BREW", "BREW", None),
        ("GET,BREW", "POST", "HTTP", "_OTHER", "POST"),
    ],
)
def test_known_methods_are_those_of_the_variable(provider, known, method, name, recorded, original):
    environ = {"OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS": known} if known else {}
    settings = resolve(None, environ=environ)
    with recording({"provider": provider, "known_methods": settings.known_methods}) as rec:

        async def nothing(scope, receive, send):
            await send({"type": "http.response.start", "status": 404, "headers": []})

        call(tracing.TracingMiddleware(nothing), method=method)
        with tracing.client_span(method, "http://u/x", {}):
            pass
        spans = rec.spans()
    assert [span.name for span in spans] == [name, name]
    for span in spans:
        assert span.attributes["http.request.method"] == recorded
        assert span.attributes.get("http.request.method_original") == original


@pytest.mark.parametrize("provider", ["light", "sdk"])
def test_captured_headers_are_attributes_and_no_secret_is_among_them(provider):
    prefix = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_"
    environ = {prefix + "SERVER_REQUEST": "X-Tenant,x-[uv],authorization,x-pin,(", prefix + "SERVER_RESPONSE": "x-id",
               prefix + "CLIENT_REQUEST": "x-tenant", prefix + "CLIENT_RESPONSE": "x-.*",
               prefix + "SANITIZE_FIELDS": "x-pin"}  # fmt: skip
    names = resolve(None, environ=environ).captured_headers
    got = [("x-tenant", "a"), ("x-u", "1"), ("x-v", "2"), ("x-v", "3"), ("authorization", "Bearer hunter2"),
           ("x-pin", "hunter2"), ("x-other", "hunter2")]  # fmt: skip

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-id", b"7"), (b"x-no", b"8")]})

    def served(environ, start_response):
        start_response("200 OK", [("X-Id", "7"), ("X-No", "8")])
        return [b""]

    with recording({"provider": provider, "captured_headers": names}) as rec:
        call(tracing.TracingMiddleware(app), headers=got)
        wsgi = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in got}
        list(tracing.WSGIMiddleware(served)({"PATH_INFO": "/", **wsgi}, lambda *given: None))
        made = begin_call("requests", "GET", "http://u/", {"X-Tenant": "a", "x-other": "b"})
        made.answered(200, {"X-Id": "7", "Y": "8"})
        made.end()
        spans = rec.spans()
    found = [{key: value for key, value in span.attributes.items() if ".header." in key} for span in spans]
    expected = {"http.request.header.x-tenant": ("a",), "http.request.header.x-u": ("1",),
                "http.request.header.x-v": ("2", "3"), "http.response.header.x-id": ("7",)}  # fmt: skip
    for index, v in enumerate((("2", "3"), ("3",))):  # a mapping has the last one of a name
        shown = dict(found[index])
        for secret in ("authorization", "x-pin"):
            assert "hunter2" not in str(shown.pop(f"http.request.header.{secret}"))
        assert shown == {**expected, "http.request.header.x-v": v}
    assert found[2] == {"http.request.header.x-tenant": ("a",), "http.response.header.x-id": ("7",)}


def test_excluded_urls_of_one_library_replace_the_general_ones():
    environ = {"OTEL_PYTHON_EXCLUDED_URLS": "general", "OTEL_PYTHON_FASTAPI_EXCLUDED_URLS": "/a,/b",
               "OTEL_PYTHON_REQUESTS_EXCLUDED_URLS": "intern[.]"}  # fmt: skip
    found = resolve(None, environ=environ)
    values = {"exclude_patterns": found.exclude_patterns, "exclude_patterns_of": found.exclude_patterns_of}
    with recording(values) as rec:
        for path in ("/a", "/x/b", "/general", "/c"):
            call(tracing.TracingMiddleware(answering()), path=path)
        headers = {}
        for library in ("requests", "httpx"):
            call_of = begin_call(library, "GET", "http://intern./x", headers)
            call_of.end()
            assert ("traceparent" in headers) == (library == "httpx")
    assert [(span.kind, span.attributes.get("url.path")) for span in rec.spans()] == [
        ("server", "/general"), ("server", "/c"), ("client", None)
    ]  # fmt: skip


def test_middleware_made_before_setup_traces_afterwards():
    app = tracing.TracingMiddleware(answering())
    call(app)
    with recording() as rec:
        call(app)
        assert len(rec.spans()) == 1
    call(app)


def test_spans_below_a_request(rec):
    def work():
        with tracing.span("compose", attributes={"n": 1}), tracing.client_span("GET", "http://user/1", {}):
            pass

    call(tracing.TracingMiddleware(answering(work=work)))
    assert_trace(
        rec.spans(),
        """
        GET /items/{item_id} [server]
          compose
            GET [client]
        """,
    )


def test_starlette_routes_and_mounts(rec):
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount
    from starlette.routing import Route as Path

    async def endpoint(request):
        return PlainTextResponse("ok")

    app = Starlette(routes=[Mount("/api", routes=[Path("/items/{item_id}", endpoint)]), Path("/", endpoint)])
    call(tracing.TracingMiddleware(app), path="/api/items/7")
    call(tracing.TracingMiddleware(app), path="/")
    call(tracing.TracingMiddleware(app), path="/nowhere")
    assert [span.name for span in rec.spans()] == ["GET /api/items/{item_id}", "GET /", "GET"]


def test_starlette_and_fastapi_routes_below_mounts_and_root_paths(rec):
    from fastapi import FastAPI
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount
    from starlette.routing import Route as Path

    async def endpoint(request):
        return PlainTextResponse("ok")

    below = FastAPI()
    below.mount("/files", answering(route=None))
    below.add_api_route("/items/{item_id}", lambda item_id: item_id)

    async def noting(scope, receive, send):
        scope["devenv.tracing.route"] = "/polls/<int:id>/"
        await send({"type": "http.response.start", "status": 200, "headers": []})

    app = Starlette(
        routes=[
            Mount("/t/{tenant}", routes=[Path("/items/{item_id}", endpoint)]),
            Mount("/api", below),
            Mount("/dj", noting),
            Path("/a/{name}", endpoint),
        ]
    )
    for root, path in (("", "/t/7/items/7"), ("", "/api/items/7"), ("", "/api/files/a/b"), ("", "/dj/polls/3/"),
                       ("/root", "/root/a/x"), ("/root", "/root/t/7/items/7"), ("", "/t/7/nowhere")):  # fmt: skip
        call(tracing.TracingMiddleware(app), path=path, root_path=root)
    assert [span.attributes.get("http.route") for span in rec.spans()] == [
        "/t/{tenant}/items/{item_id}", "/api/items/{item_id}", "/api/files/{path}", "/dj/polls/<int:id>/",
        "/root/a/{name}", "/root/t/{tenant}/items/{item_id}", None,
    ]  # fmt: skip


def test_routes_of_a_starlette_that_does_not_note_them(rec):
    """Below 1.0, the newest for Python 3.9, the scope has the endpoint and the router, and no route."""
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route, Router

    async def endpoint(request):
        return PlainTextResponse("ok")

    async def other(request):
        return PlainTextResponse("ok")

    inner = [Route("/items/{item_id:int}", endpoint), Route("/old/{name}", endpoint), Route("/{rest:path}", other)]
    app = Starlette(routes=[Mount("/api/{version}", routes=inner), Mount("/sub", Router([])), Route("/", endpoint)])

    async def old(scope, receive, send):
        await app(scope, receive, send)
        scope.pop("route", None)

    for path in ("/api/1/items/7", "/api/1/old/x", "/api/1/b/c", "/", "/nowhere", "/sub/nowhere"):
        call(tracing.TracingMiddleware(old), path=path)
    assert [span.name for span in rec.spans()] == [
        "GET /api/{version}/items/{item_id}", "GET /api/{version}/old/{name}", "GET /api/{version}/{rest}",
        "GET /", "GET", "GET",
    ]  # fmt: skip


def fastapi_app():
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/items/{item_id}")
    async def item(item_id: int) -> int:
        with tracing.span("business"):
            return item_id

    return app


def test_fastapi_has_one_server_span(rec):
    call(tracing.TracingMiddleware(fastapi_app()), path="/items/7")
    assert rec.span("GET /items/{item_id}").attributes["http.response.status_code"] == 200
    assert_trace(rec.spans(), "GET /items/{item_id} [server]\n  business")


def test_fastapi_with_the_middleware_inside_keeps_its_own_span(rec):
    app = fastapi_app()
    app.add_middleware(tracing.TracingMiddleware, trace_response=True)
    headers = [("traceparent", f"00-{TRACE}-{PARENT}-01"), ("baggage", "devenv.request=r1")]
    sent = call(app, path="/items/7", headers=headers)
    found = rec.span("GET /items/{item_id}")
    assert (found.kind, found.parent_id, found.attributes["devenv.request"]) == ("server", PARENT, "r1")
    assert dict(sent[0]["headers"])[b"traceresponse"].decode() == f"00-{TRACE}-{found.span_id}-01"


def test_lifespan_shutdown_flushes_first(rec):
    order = []
    flush = rec.tracing.force_flush
    rec.tracing.force_flush = lambda timeout_s: (order.append("flush"), flush(timeout_s))[1]

    async def app(scope, receive, send):
        await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})

    async def send(message):
        order.append(message["type"])

    asyncio.run(tracing.TracingMiddleware(app)({"type": "lifespan"}, None, send))
    assert order == ["lifespan.startup.complete", "flush", "lifespan.shutdown.complete"]


def test_websocket(rec):
    async def app(scope, receive, send):
        scope["route"] = Route
        await send({"type": "websocket.accept"})

    call(tracing.TracingMiddleware(app), type="websocket", scheme="ws")
    found = rec.span("GET /items/{item_id}")
    assert (found.attributes["url.scheme"], found.attributes["http.response.status_code"]) == ("ws", 101)


def test_ratio_is_decided_at_the_root():
    with recording({"sampler": {"ratio": 0.0}}) as rec:
        call(tracing.TracingMiddleware(answering()))
        call(tracing.TracingMiddleware(answering()), headers=[("traceparent", f"00-{TRACE}-{PARENT}-01")])
        (found,) = rec.spans()
        assert found.trace_id == TRACE


def test_propagators_can_be_switched_off():
    headers = [("traceparent", f"00-{TRACE}-{PARENT}-01"), ("baggage", "devenv.request=1")]
    with recording({"propagators": ["none"]}) as rec:
        call(tracing.TracingMiddleware(answering()), headers=headers)
        (found,) = rec.spans()
        assert found.trace_id != TRACE
        assert "devenv.request" not in found.attributes


def test_trace_limit_leaves_no_orphans():
    def work():
        for _ in range(4):
            with tracing.span("a"), tracing.span("b"), tracing.client_span("GET", "http://u/", headers := {}):
                seen.append(headers["traceparent"].split("-")[2])

    seen: list[str] = []
    with recording({"limits": {"trace_spans": 5}}) as rec:
        call(tracing.TracingMiddleware(answering(work=work)))
        spans = rec.spans()
        assert len(spans) == 5
        ids = {span.span_id for span in spans}
        assert all(parent in ids for parent in seen)
        assert all(span.parent_id in ids | {""} for span in spans)
        assert rec.tracing.stats().dropped == 8


def test_switched_off_passes_on_what_came_and_nothing_else():
    seen = []

    def work():
        headers: dict[str, str] = {}
        with tracing.span("business"), tracing.client_span("GET", "http://u/", headers):
            seen.append(headers)

    with recording({"enabled": False}) as rec:
        app = tracing.TracingMiddleware(answering(work=work), trace_response=True)
        sent = call(
            app, headers=[("traceparent", f"00-{TRACE}-{PARENT}-01"), ("tracestate", "a=1"), ("baggage", "k=v")]
        )
        call(app)
        assert rec.spans() == []
    assert seen == [{"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "a=1", "baggage": "k=v"}, {}]
    assert dict(sent[0]["headers"])[b"traceresponse"].decode() == f"00-{TRACE}-{PARENT}-01"


def test_switched_off_does_nothing_for_a_request_without_context():
    """Neither a context nor a header, and the application runs once even if it raises."""
    runs = []

    def work():
        headers: dict[str, str] = {}
        with tracing.client_span("GET", "http://u/", headers) as span, tracing.span("business"):
            span.set_attribute("http.response.status_code", 500)
        runs.append((dict(get_current()), headers, tracing.current_ids(), begin_call("x", "GET", "http://u/", headers)))
        raise LookupError

    with recording({"enabled": False}) as rec:
        with pytest.raises(LookupError):
            call(tracing.TracingMiddleware(answering(work=work), trace_response=True))
        assert rec.spans() == []
    assert runs == [({}, {}, ("", ""), NO_CALL)]


def test_the_root_ratio_is_taken_once():
    with recording({"sampler": {"ratio": 0.25}, "batch": {"max_queue_size": 10_000}}) as rec:
        app = tracing.TracingMiddleware(answering())

        async def many():
            async def ignore(message):
                return None

            for _ in range(2000):
                await app({"type": "http", "method": "GET", "path": "/", "headers": []}, None, ignore)

        asyncio.run(many())
        assert 380 < len(rec.spans()) < 620
