"""Which calls of HTTP clients are measured, and with which attributes: recorded or not, each time that one is sent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import requests
import urllib3
from metric_programs.measured import series
from opentelemetry import trace
from tracing_upstream import http_upstream

from devenv import tracing
from devenv.tracing.active import state
from devenv.tracing.clients import NO_CALL, begin_call
from devenv.tracing.context.ambient import attach, detach
from devenv.tracing.context.suppression import silent
from devenv.tracing.integrations import requests_client, urllib3_client
from devenv.tracing.light import notices
from devenv.tracing.process import patching
from devenv.tracing.testing import recording

CALL = {"http.request.method": "GET", "server.address": "shop", "server.port": 80}


@pytest.fixture(params=[0.0, 1.0], ids=["unsampled", "sampled"])
def recorded(request):
    with recording({"metrics": {"exporter": "console"}, "sampler": {"ratio": request.param}}), tracing.span("s"):
        yield request.param
    patching.restore_all()


@pytest.mark.usefixtures("recorded")
def test_a_call_is_measured_once_with_what_is_known_of_it():
    for url, status in (
        ("http://shop/a?b=1", 200),
        ("http://user:hunter2@shop?c", 404),
        ("https://shop:8443", 0),
        ("http://[::1]:x/", 0),
    ):
        headers: dict[str, str] = {}
        call = begin_call("httpx", "BREW" if status == 404 else "GET", url, headers)
        if status:
            call.answered(status, {}, lambda _: ("2", ("peer", 1)), None)
        else:
            call.failed(OSError("refused"))
        call.end()
        call.end()
        assert "traceparent" in headers
    assert series() == [
        ({**CALL, "http.response.status_code": 200, "network.protocol.version": "2"}, 1),
        (
            {
                **CALL, "http.request.method": "_OTHER", "http.response.status_code": 404,
                "network.protocol.version": "2", "error.type": "404",
            },
            1,
        ),
        ({**CALL, "server.port": 8443, "error.type": "OSError"}, 1),
        ({"http.request.method": "GET", "server.address": "::1", "server.port": 80, "error.type": "OSError"}, 1),
    ]  # fmt: skip


@pytest.mark.usefixtures("recorded")
def test_the_block_of_another_client_is_measured():
    headers: dict[str, str] = {}
    outside = trace.get_current_span()
    with tracing.client_span("GET", "http://shop/", headers) as span:
        span.set_attribute("http.response.status_code", 503)
    with tracing.client_span("GET", "http://shop/") as span:
        span.set_attributes({"http.response.status_code": 200})
    with pytest.raises(asyncio.CancelledError), tracing.client_span("GET", "http://shop/"):
        raise asyncio.CancelledError
    assert trace.get_current_span() is outside
    assert headers["traceparent"][3:35] == f"{outside.get_span_context().trace_id:032x}"
    assert [(one.get("http.response.status_code"), one.get("error.type")) for one, _ in series()] == [
        (503, "503"),
        (200, None),
        (None, "asyncio.CancelledError"),
    ]


@pytest.mark.usefixtures("recorded")
def test_what_is_suppressed_is_not_measured():
    token = attach(silent())
    try:
        assert begin_call("httpx", "GET", "http://shop/", {}) is NO_CALL
        with tracing.client_span("GET", "http://shop/"):
            pass
    finally:
        detach(token)
    assert series() == []


def test_each_time_that_a_request_is_sent_is_measured(recorded):
    requests_client.instrument()
    urllib3_client.instrument()
    with http_upstream() as upstream:
        session = requests.Session()
        session.mount("http://", requests.adapters.HTTPAdapter(max_retries=urllib3.Retry(2, status_forcelist=[500])))
        with pytest.raises(requests.exceptions.RetryError):
            session.get(f"{upstream.url}/500")
    assert [number for one, number in series() if one.get("http.response.status_code") == 500] == [2], recorded


@pytest.mark.usefixtures("recorded")
def test_a_meter_that_fails_is_told_and_changes_nothing(caplog):
    def fail(*_: Any) -> None:
        raise RuntimeError("planted")

    notices.forget()
    assert state.meter is not None
    state.meter.client = fail
    with tracing.client_span("GET", "http://shop/"):
        pass
    call = begin_call("httpx", "GET", "http://shop/", {})
    call.answered(200)
    call.end()
    assert [record.getMessage() for record in caplog.records] == [
        "cannot trace the duration of a call: RuntimeError: planted"
    ]
