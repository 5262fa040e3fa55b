"""The canary against a real Jaeger, with services that trace well and in each way badly."""

from __future__ import annotations

import secrets
import time
from typing import Any

import pytest
from traced_services import Fault, TracedServices

from devenv.app.traces.canary import send_canary
from devenv.clock import SystemClock
from devenv.events import CanarySent, CanaryWaiting, Event, Notice
from devenv.model.documents import CanaryDocument
from devenv.model.extension import Request
from devenv.model.span import Span
from devenv.testing.fake_clock import FakeClock
from devenv.traces.client import TraceClient

pytestmark = pytest.mark.jaeger


class HurriedClock(FakeClock):
    """Wall time that is true, so that spans stand where Jaeger searches, and sleeps that take little of it."""

    now = SystemClock.now


async def canary(
    jaeger: Any, services: TracedServices, *, events: list[Event] | None = None, **options: Any
) -> CanaryDocument:
    async with services, TraceClient(jaeger.query_url) as client:
        values: dict[str, Any] = {
            "entrypoint_url": services.url,
            "request": Request(path="/hello?a=b"),
            "expected_services": services.services,
            "client": client,
            "otlp_http_url": jaeger.otlp_url,
            "clock": HurriedClock(settle=0.02),
            "sink": (events if events is not None else []).append,
        }
        return await send_canary(**values | options)


def playing(jaeger: Any, fault: Fault = "none", **fields: Any) -> TracedServices:
    return TracedServices(jaeger.otlp_url, fault, prefix=f"s{secrets.token_hex(3)}-", **fields)


async def test_a_traced_stack_is_complete(jaeger: Any) -> None:
    services, events = playing(jaeger), []
    document = await canary(jaeger, services, events=events)
    assert (document.verdict, document.cause, document.missing) == ("complete", "", [])
    assert (document.spans, set(document.services), document.status) == (6, set(services.services), 200)
    assert document.ui_url == f"{jaeger.query_url}/trace/{document.trace_id}"
    (headers,) = services.headers
    assert headers["traceparent"].split("-")[1] == document.trace_id
    assert headers["traceparent"].endswith("-03")
    assert headers["baggage"] == f"devenv.request={document.trace_id}"
    assert services.paths == ["GET /hello?a=b HTTP/1.1"]
    assert isinstance(events[0], CanarySent)
    assert events[0].trace_id == document.trace_id
    assert isinstance(events[-1], CanaryWaiting)
    assert events[-1].spans == 6


async def test_services_are_learnt_where_none_are_expected(jaeger: Any) -> None:
    services = playing(jaeger)
    document = await canary(jaeger, services, expected_services=())
    assert (document.verdict, set(document.services)) == ("complete", set(services.services))


@pytest.mark.parametrize(
    ("fault", "verdict", "missing", "cause"),
    [
        (
            "propagation",
            "partial",
            ["auth", "user"],
            "propagation broken between {}gateway and {}auth: {}auth has spans in other traces (split suspected)",
        ),
        (
            "split",
            "split",
            ["auth", "user"],
            "propagation broken between {}gateway and {}auth: {}auth's spans are in a separate trace",
        ),
        (
            "dropped",
            "partial",
            ["auth"],
            "no span from {}auth, but {}user received its context: {}auth's exporter probably dropped spans",
        ),
        (
            "orphan",
            "partial",
            [],
            "the parent of {}user's 'SERVER' did not arrive: probably dropped by {}auth's exporter",
        ),
        ("untraced", "absent", ["auth", "gateway", "user"], "only devenv's root span arrived"),
    ],
)
async def test_each_fault_has_its_verdict_and_cause(
    jaeger: Any, fault: Fault, verdict: str, missing: list[str], cause: str
) -> None:
    services = playing(jaeger, fault)
    document = await canary(jaeger, services)
    assert document.verdict == verdict
    assert document.missing == [services.prefix + name for name in missing]
    assert document.cause.startswith(cause.replace("{}", services.prefix))
    assert document.elapsed_ms >= 10_000


@pytest.mark.parametrize(
    ("age_s", "cause"),
    [
        (None, "{}auth called {}user, but no span from {}user ever arrived"),
        (30, "{}auth called {}user, but {}user has only spans from before this request"),
        (0, "propagation broken between {}auth and {}user: {}user has spans in other traces (split suspected)"),
    ],
)
async def test_spans_of_before_are_no_sign_of_broken_propagation(jaeger: Any, age_s: int | None, cause: str) -> None:
    services = playing(jaeger, "lost")
    if age_s is not None:
        now = time.time_ns() - age_s * 10**9
        ids = {"trace_id": secrets.token_hex(16), "span_id": secrets.token_hex(8)}
        services.add(Span(**ids, service=services.services[2], name="GET", start_ns=now, end_ns=now + 10**6))
        await services.flush()
    document = await canary(jaeger, services)
    assert (document.verdict, document.missing) == ("partial", [services.services[2]])
    assert document.cause.startswith(cause.replace("{}", services.prefix))


async def test_early_503s_and_cut_connections_are_tried_again_and_stated(jaeger: Any) -> None:
    services, events = playing(jaeger, statuses=(503, 0, 502)), []
    document = await canary(jaeger, services, events=events)
    assert (document.verdict, document.status) == ("complete", 200)
    assert len({headers["traceparent"] for headers in services.headers}) == 4
    notices = [event.message for event in events if isinstance(event, Notice)]
    assert len(notices) == 3
    assert "answered 503; retrying with a new trace ID" in notices[0]


async def test_an_unexpected_answer_is_never_complete(jaeger: Any) -> None:
    document = await canary(jaeger, playing(jaeger), request=Request(expect_status=201))
    assert document.verdict == "partial"
    assert document.cause == "answered 200, expected 201"


async def test_an_entry_point_that_never_answers(jaeger: Any) -> None:
    services = playing(jaeger)
    async with services:
        pass  # its port is free again
    async with TraceClient(jaeger.query_url) as client:
        document = await send_canary(
            entrypoint_url=services.url,
            request=Request(),
            expected_services=("gateway",),
            client=client,
            otlp_http_url=jaeger.otlp_url,
            clock=HurriedClock(settle=0.005),
            sink=lambda event: None,
        )
    assert (document.verdict, document.status) == ("absent", None)
    assert "cannot connect" in document.cause


async def test_a_backend_that_is_gone_is_told_apart(jaeger: Any) -> None:
    services = playing(jaeger)
    gone = TracedServices()
    async with gone:
        pass
    document = await canary(jaeger, services, otlp_http_url=gone.url)
    assert document.verdict == "absent"
    assert document.cause.startswith("OTLP receiver at")


async def test_a_body_goes_out_as_json(jaeger: Any) -> None:
    services = playing(jaeger)
    request = Request(method="POST", body={"name": "ä"}, headers={"X-A": "b", "Baggage": "k=v"})
    assert (await canary(jaeger, services, request=request)).verdict == "complete"
    assert services.headers[0]["content-type"] == "application/json"
    assert services.headers[0]["x-a"] == "b"
    assert services.headers[0]["baggage"].startswith("k=v,devenv.request=")
    assert services.bodies == [b'{"name": "\\u00e4"}']
