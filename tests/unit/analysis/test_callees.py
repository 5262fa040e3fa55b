"""Which services a trace's calls reached but that have no span in it."""

from __future__ import annotations

from typing import Any

import pytest

from devenv.analysis.callees import Callees, silent_services
from devenv.analysis.causes import Setup
from devenv.analysis.completeness import Expectation, classify, is_complete
from devenv.model.span import Span, SpanKind, Status
from devenv.model.trace import Trace, collect

CALLEES = Callees(hosts={"api": "api", "shop-api": "api"}, ports={("127.0.0.1", 8001): "api"})


def span(identity: str, parent: str | None, service: str, **fields: Any) -> Span:
    start = int(identity, 16) * 10
    values: dict[str, Any] = {"name": "op", "start_ns": start, "end_ns": 1000 - start, "kind": SpanKind.SERVER}
    ids = {"trace_id": "a" * 32, "span_id": identity.zfill(16), "parent_id": parent and parent.zfill(16)}
    return Span(**ids, service=service, **values | fields)


def calling(attributes: dict[str, Any], *more: Span, **fields: Any) -> Trace:
    """The canary's root, the entry point's span, and its call with these attributes."""
    call = span("3", "2", "web", **{"kind": SpanKind.CLIENT, "attributes": attributes} | fields)
    root = span("1", None, "devenv", kind=SpanKind.INTERNAL)
    (found,) = collect([root, span("2", "1", "web"), call, *more])
    return found


@pytest.mark.parametrize(
    "attributes",
    [
        {"server.address": "api", "server.port": 8000, "http.response.status_code": 200},
        {"server.address": "API."},
        {"peer.service": "api"},
        {"peer.service": "the other team's", "server.address": "shop-api"},
        {"net.peer.name": "api:8000"},
        {"url.full": "http://api:8000/items?page=1"},
        {"http.url": "http://user:password@api/items"},
        {"server.address": "127.0.0.1", "server.port": 8001},
        {"net.peer.name": "127.0.0.1", "net.peer.port": "8001"},
        {"url.full": "http://127.0.0.1:8001/items"},
    ],
)
def test_a_called_service_without_a_span_is_silent(attributes: dict[str, Any]) -> None:
    trace = calling(attributes)
    assert silent_services(trace, CALLEES) == ("api",)
    assert not is_complete(trace, (), CALLEES)
    assert is_complete(trace, ())
    found = classify(trace, Expectation(callees=CALLEES, known_services=frozenset({"web"})))
    assert (found.trace_class, found.missing) == ("partial", ("api",))
    assert found.cause == "web called api, but no span from api ever arrived: not traced, or wrong endpoint"


def test_the_setting_at_fault_is_the_cause() -> None:
    setups = {"api": Setup(endpoint="http://localhost:4318", isolated=True)}
    found = classify(calling({"server.address": "api"}), Expectation(callees=CALLEES, setups=setups))
    assert found.cause.startswith("api exports to http://localhost:4318, which is the container itself")


@pytest.mark.parametrize(
    ("attributes", "fields"),
    [
        ({"server.address": "api.example.com"}, {}),
        ({"server.address": "example.com"}, {}),
        ({"url.full": "https://api.example.com/api"}, {}),
        ({"server.address": "127.0.0.1", "server.port": 8002}, {}),
        ({"server.address": "db"}, {}),
        ({"server.address": "api", "db.system.name": "postgresql"}, {}),
        ({"server.address": "api", "messaging.system": "rabbitmq"}, {"kind": SpanKind.PRODUCER}),
        # Even if it names the consumer: that may process the message later, or in another trace with a link.
        ({"peer.service": "api", "messaging.system": "rabbitmq"}, {"kind": SpanKind.PRODUCER}),
        ({"peer.service": "api", "messaging.system": "kafka", "server.address": "db"}, {"kind": SpanKind.PRODUCER}),
        ({"server.address": "api"}, {"kind": SpanKind.INTERNAL}),
        ({"server.address": "api"}, {"status": Status.ERROR}),  # it never got there
        ({"url.full": "http://api:8000/healthz"}, {}),
        ({"server.address": "api", "url.path": "/health"}, {}),
        ({"url.full": "http://[::1"}, {}),
        ({}, {}),
    ],
)
def test_what_is_no_sign_of_a_silent_service(attributes: dict[str, Any], fields: dict[str, Any]) -> None:
    trace = calling(attributes, **fields)
    assert silent_services(trace, CALLEES) == ()
    assert is_complete(trace, (), CALLEES)
    assert classify(trace, Expectation(callees=CALLEES)).trace_class == "complete"


def test_an_error_with_a_response_is_a_sign() -> None:
    trace = calling({"server.address": "api", "http.response.status_code": 500}, status=Status.ERROR)
    assert silent_services(trace, CALLEES) == ("api",)


def test_a_call_that_another_service_answered_is_no_sign() -> None:
    """A proxy without spans, a service with a name that its code sets, and a client span inside of another."""
    assert silent_services(calling({"server.address": "api"}, span("4", "3", "shop")), CALLEES) == ()
    inner = span("4", "3", "web", kind=SpanKind.CLIENT, attributes={"server.address": "api"})
    assert silent_services(calling({"server.address": "api"}, inner, span("5", "4", "shop")), CALLEES) == ()
    assert silent_services(calling({"server.address": "api"}, inner), CALLEES) == ("api",)
    circle = [span("4", "5", "web"), span("5", "4", "shop")]
    assert silent_services(calling({"server.address": "api"}, *circle), CALLEES) == ("api",)
