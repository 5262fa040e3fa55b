"""Filters over the embedded backend's APIs: Jaeger's JSON form, and the text form at devenv's own path."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from otlp_build import MS, PROTOBUF, make_span, one, trace_id

from devenv.backend import EmbeddedSettings, serve

NOW = time.time_ns()
WINDOW = {"query.startTimeMin": "2020-01-01T00:00:00Z", "query.startTimeMax": "2100-01-01T00:00:00Z"}
SLOW, QUICK = trace_id(), trace_id()

Get = Callable[..., Any]


@pytest.fixture
async def get() -> AsyncIterator[Get]:
    """Sends GET requests to a backend that has two traces."""
    backend = await serve(EmbeddedSettings(otlp_port=0, query_port=0, health_port=None))
    try:
        async with httpx.AsyncClient() as http:
            slow = make_span(SLOW, name="slow", start=NOW, took=300 * MS, attributes={"code": 500})
            quick = make_span(QUICK, name="quick", start=NOW, took=MS, attributes={"code": 200})
            body = one("web", slow, quick)
            url = f"http://127.0.0.1:{backend.otlp_port}/v1/traces"
            assert (await http.post(url, content=body, headers=PROTOBUF)).status_code == 200

            async def get(path: str, **parameters: Any) -> httpx.Response:
                return await http.get(f"http://127.0.0.1:{backend.query_port}{path}", params={**WINDOW, **parameters})

            yield get
    finally:
        await backend.close()


def filter_(op: str, *args: Any) -> dict[str, Any]:
    return {"op": op, "args": list(args)}


SLOW_FILTER = filter_(
    "and",
    {"call": filter_("gt", {"field": {"level": "span", "name": "duration"}}, {"scalar": {"value": "200ms"}})},
    {"call": filter_("not", {"call": filter_("eq", {"attr": {"key": "code"}}, {"scalar": {"value": "200"}})})},
)


async def test_jaegers_parameter(get: Get) -> None:
    answer = await get("/api/v3/trace-summaries", **{"query.filter": json.dumps(SLOW_FILTER)})
    assert [each["traceId"] for each in answer.json()["summaries"]] == [SLOW.hex()]
    answer = await get("/api/v3/traces", **{"query.filter": json.dumps(SLOW_FILTER)})
    (resource,) = answer.json()["result"]["resourceSpans"]
    assert [each["name"] for scope in resource["scopeSpans"] for each in scope["spans"]] == ["slow"]
    nothing = filter_("exists", {"attr": {"key": "none"}})
    assert (await get("/api/v3/traces", **{"query.filter": json.dumps(nothing)})).status_code == 404


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"query.filter": "{"}, "malformed parameter query.filter: not JSON"),
        ({"query.filter": '{"op": "eq"}'}, "malformed parameter query.filter: filter: 'eq' takes 2 arguments, found 0"),
        (
            {"query.filter": json.dumps(SLOW_FILTER), "query.service_name": "web", "query.durationMin": "1s"},
            "query.filter cannot be combined with query.service_name, query.durationMin; express those conditions",
        ),
    ],
)
async def test_errors_of_jaegers_parameter(get: Get, parameters: dict[str, str], message: str) -> None:
    for path in ("/api/v3/traces", "/api/v3/trace-summaries"):
        answer = await get(path, **parameters)
        assert answer.status_code == 400
        assert answer.json()["error"]["message"].startswith(message)


async def test_the_text_form(get: Get) -> None:
    path = "/api/devenv/trace-summaries"
    answer = await get(path, where="duration > 200ms and not code = 200", **{"query.serviceName": "web"})
    assert [each["traceId"] for each in answer.json()["summaries"]] == [SLOW.hex()]
    assert len((await get(path)).json()["summaries"]) == 2
    answer = await get(path, **{"query.filter": json.dumps(SLOW_FILTER)})
    assert [each["traceId"] for each in answer.json()["summaries"]] == [SLOW.hex()]
    answer = await get(path, where="status = eror")
    assert answer.status_code == 400
    assert answer.json() == {
        "error": "where: column 10: found 'eror', expected one of unset, ok, error",
        "column": 10,
        "hint": "did you mean 'error'?",
    }
    answer = await get(path, where="a = 1", **{"query.filter": json.dumps(SLOW_FILTER)})
    assert (answer.status_code, answer.json()) == (400, {"error": "'where' cannot be combined with query.filter"})
