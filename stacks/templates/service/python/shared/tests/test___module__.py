"""Tests of the service in this process: its answers and its spans. Run them with `python -m pytest __module__`."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from devenv import tracing
from devenv.tracing.testing import Recording, assert_trace, recording

from __module__.app import CONFIG, create
from __module__.serving import JsonLines
from __module__.settings import SettingsError, read_settings


@pytest.fixture
def spans() -> Iterator[Recording]:
    """Tracing as set up by config.yaml, with the spans kept in memory."""
    with recording(yaml.safe_load(CONFIG.read_text())["tracing"]) as kept:
        yield kept


class Upstream:
    """A service that gives every request the same answer, and keeps the requests."""

    def __init__(self, status: int = 200, body: str = '{"service": "catalog"}') -> None:
        self.status = status
        self.body = body
        self.requests: list[web.BaseRequest] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        return web.Response(status=self.status, text=self.body)


def ask(path: str, upstream: Upstream | None = None, **headers: str) -> httpx.Response:
    """One request to the service, whose only upstream is the stub, or which has none."""

    async def run() -> httpx.Response:
        stub = web.Application()
        if upstream is not None:
            stub.router.add_get("/", upstream.answer)
        async with TestServer(stub) as server:
            urls = {"catalog": f"http://127.0.0.1:{server.port}"} if upstream else {}
            app = create(replace(read_settings(CONFIG, {}), upstreams=urls))
            transport = httpx.ASGITransport(tracing.TracingMiddleware(app))
            async with (
                app.router.lifespan_context(app),
                httpx.AsyncClient(transport=transport, base_url="http://__service__.test") as client,
            ):
                return await client.get(path, headers=headers)

    return asyncio.run(run())


def test_it_answers_with_what_its_upstreams_say(spans: Recording) -> None:
    upstream = Upstream()
    answer = ask("/", upstream)
    assert answer.status_code == 200
    assert answer.json() == {"service": "__service__", "upstreams": {"catalog": {"service": "catalog"}}}
    assert_trace(
        spans.spans(),
        """
        GET / [server]
          compose answer
            GET [client]
        """,
    )
    # The upstream received the trace ID and its parent span's ID.
    client = spans.span("GET")
    _version, trace_id, parent_id, _flags = upstream.requests[0].headers["traceparent"].split("-")
    assert (trace_id, parent_id) == (client.trace_id, client.span_id)


@pytest.mark.parametrize(("given", "kept"), [("order-17", True), ("", False), ("a b", False), ("x" * 129, False)])
def test_the_request_id_is_passed_on(given: str, kept: bool) -> None:
    upstream = Upstream()
    answer = ask("/", upstream, **{"x-request-id": given})
    passed_on = upstream.requests[0].headers["x-request-id"]
    assert answer.headers["x-request-id"] == passed_on
    assert (passed_on == given) is kept


def test_without_upstreams_it_answers_by_itself(spans: Recording) -> None:
    assert ask("/").json() == {"service": "__service__", "upstreams": {}}
    assert_trace(spans.spans(), "GET / [server]\n  compose answer")


@pytest.mark.parametrize(
    ("upstream", "detail"),
    [
        (Upstream(status=503), "catalog answered with 503"),
        (Upstream(body="no JSON"), "catalog did not answer in JSON"),
    ],
)
def test_an_upstream_that_fails_is_a_problem_and_an_error_in_the_trace(
    spans: Recording, upstream: Upstream, detail: str
) -> None:
    answer = ask("/", upstream)
    assert answer.status_code == 502
    assert answer.headers["content-type"] == "application/problem+json"
    server = spans.span("GET /")
    assert (answer.json()["detail"], answer.json()["trace_id"]) == (detail, server.trace_id)
    assert server.status == spans.span("compose answer").status == "error"


def test_health_checks_are_answered_and_leave_no_trace(spans: Recording) -> None:
    assert ask("/healthz").json() == {"status": "alive"}
    assert ask("/readyz").json() == {"status": "ready"}
    assert spans.spans() == []


def test_log_lines_name_the_trace(spans: Recording) -> None:
    record = logging.LogRecord("test", logging.INFO, "", 0, "said %s", ("this",), None)
    with tracing.span("work") as span:
        line = json.loads(JsonLines("__service__").format(record))
    assert (line["message"], line["trace_id"]) == ("said this", f"{span.get_span_context().trace_id:032x}")


def test_variables_win_over_the_file_and_mistakes_are_named(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(CONFIG.read_text()), "upstreams": {"a-b": "http://a:1"}}))
    settings = read_settings(path, {"PORT": "1", "A_B_URL": "http://elsewhere:2/"})
    assert (settings.port, settings.upstreams) == (1, {"a-b": "http://elsewhere:2"})
    with pytest.raises(SettingsError, match=r"A_B_URL.*expected http://host:port"):
        read_settings(path, {"A_B_URL": "elsewhere"})
