"""The service map of traces worked by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from devenv.analysis.callees import Callees
from devenv.analysis.service_map.diagrams import dot, mermaid
from devenv.analysis.service_map.edges import Observed
from devenv.analysis.service_map.peers import CalledPeer, peer_of
from devenv.analysis.service_map.service_map import ServiceMap, service_map
from devenv.analysis.tree import build_tree
from devenv.model.span import Span, SpanKind, SpanLink, Status, Value
from devenv.model.trace import collect
from devenv.testing.spans import SpanBuilder

SERVER, CLIENT, PRODUCER, CONSUMER, INTERNAL = (
    SpanKind.SERVER,
    SpanKind.CLIENT,
    SpanKind.PRODUCER,
    SpanKind.CONSUMER,
    SpanKind.INTERNAL,
)
CALLEES = Callees(hosts={"auth": "auth", "db": "db"}, ports={("127.0.0.1", 8081): "auth"})


def call(
    make: SpanBuilder, service: str, number: int, parent: int | None, kind: SpanKind, *, took: int = 10, **names: Value
) -> Span:
    """A span with attributes; a name's ``__`` is a dot."""
    span = make.span(f"op {number}", number, parent, took=took, service=service, kind=kind)
    return replace(span, attributes={name.replace("__", "."): value for name, value in names.items()})


def edges(traces: Sequence[Sequence[Span]], declared: Sequence[tuple[str, str]] | None = ()) -> ServiceMap:
    observed = Observed(CALLEES)
    for spans in traces:
        observed.add(build_tree(collect(spans)[0]))
    return service_map(observed, None if declared is None else frozenset(declared), {"cache": "database"})


def shown(found: ServiceMap) -> list[tuple[str, str, int, int]]:
    return [(edge.caller, edge.callee, edge.calls, edge.errors) for edge in found.edges]


def test_a_call_has_the_callers_duration_and_the_errors_of_both_sides() -> None:
    traces = []
    for number in range(20):
        make = SpanBuilder(10**18)
        client = call(make, "gateway", 1, None, CLIENT, took=30 + number, server__address="auth")
        server = call(make, "auth", 2, 1, SERVER, took=20)
        traces.append([client, replace(server, status=Status.ERROR if number == 3 else Status.UNSET)])
    found = edges(traces)
    assert shown(found) == [("gateway", "auth", 20, 1)]
    assert (found.edges[0].p50_ms, found.edges[0].p99_ms) == (39.0, None)
    assert found.edges[0].examples == (traces[3][0].trace_id,)
    assert [(node.name, node.kind, node.spans) for node in found.nodes] == [
        ("auth", "service", 20),
        ("cache", "database", 0),
        ("gateway", "service", 20),
    ]


def test_what_is_called_without_a_span_of_its_own_is_a_node() -> None:
    make = SpanBuilder(10**18)
    found = edges(
        [
            [
                call(make, "shop", 1, None, SERVER),
                call(make, "shop", 2, 1, CLIENT, db__system="postgresql", server__address="db"),
                call(make, "shop", 3, 1, INTERNAL, db__system__name="sqlite"),
                call(make, "shop", 4, 1, CLIENT, server__address="api.bank.test", server__port=443),
                call(make, "shop", 5, 1, CLIENT, server__address="127.0.0.1", server__port=8081),
                call(make, "shop", 6, 1, CLIENT),
            ]
        ],
        [("shop", "db"), ("shop", "cache")],
    )
    assert shown(found) == [
        ("shop", "api.bank.test", 1, 0),
        ("shop", "auth", 1, 0),
        ("shop", "cache", 0, 0),
        ("shop", "db", 1, 0),
        ("shop", "sqlite", 1, 0),
    ]
    assert {node.name: node.kind for node in found.nodes} == {
        "api.bank.test": "external",
        "auth": "service",
        "cache": "database",
        "db": "database",
        "shop": "service",
        "sqlite": "database",
    }
    assert [edge.callee for edge in found.edges if edge.is_lost] == ["cache"]
    assert [edge.callee for edge in found.edges if edge.is_added] == ["api.bank.test", "auth"]


def test_a_database_call_of_two_libraries_is_one_call() -> None:
    make = SpanBuilder(10**18)
    outer = call(make, "shop", 1, None, CLIENT, db__system="postgresql", server__address="db")
    inner = call(make, "shop", 2, 1, CLIENT, db__system="postgresql", server__address="db")
    assert shown(edges([[outer, inner]])) == [("shop", "db", 1, 0)]


def test_messages_lead_through_their_broker() -> None:
    make = SpanBuilder(10**18)
    sent = call(make, "shop", 1, None, PRODUCER, messaging__system="rabbitmq")
    received = call(make, "worker", 2, 1, CONSUMER, messaging__system="rabbitmq")
    found = edges([[sent, received]], [("shop", "rabbitmq"), ("worker", "rabbitmq")])
    assert shown(found) == [("rabbitmq", "worker", 1, 0), ("shop", "rabbitmq", 1, 0)]
    assert all(edge.declared and edge.observed for edge in found.edges)


def test_a_link_to_a_producer_of_another_trace_is_a_call() -> None:
    sent = call(SpanBuilder(10**18), "shop", 1, None, PRODUCER)
    received = call(SpanBuilder(10**18), "worker", 2, None, CONSUMER)
    received = replace(received, links=(SpanLink(sent.trace_id, sent.span_id), SpanLink("f" * 32, "f" * 16)))
    assert shown(edges([[received], [sent]])) == [("shop", "worker", 1, 0)]


def test_calls_of_a_service_to_itself_are_an_edge_and_its_inner_spans_are_not() -> None:
    make = SpanBuilder(10**18)
    found = edges(
        [
            [
                call(make, "shop", 1, None, SERVER),
                call(make, "shop", 2, 1, INTERNAL),
                call(make, "shop", 3, 2, CLIENT, server__address="auth"),
                call(make, "shop", 4, 3, SERVER),
            ]
        ]
    )
    assert shown(found) == [("shop", "shop", 1, 0)]
    assert not found.edges[0].is_added


def test_without_a_stack_nothing_is_declared_or_added() -> None:
    make = SpanBuilder(10**18)
    found = edges([[call(make, "a", 1, None, CLIENT, server__address="auth")]], None)
    assert (found.edges[0].declared, found.edges[0].is_added, found.edges[0].is_lost) == (None, False, False)


@pytest.mark.parametrize(
    ("kind", "names", "peer"),
    [
        (
            CLIENT,
            {"db__system": "mysql", "server__address": "127.0.0.1", "server__port": 3306},
            CalledPeer("mysql", "database"),
        ),
        (CLIENT, {"db__system": "mysql", "server__address": "DB.test"}, CalledPeer("db.test", "database")),
        (CLIENT, {"server__address": "localhost", "server__port": 9}, CalledPeer("localhost:9", "external")),
        (CLIENT, {"url__full": "https://u:p@x.test:8443/a?b"}, CalledPeer("x.test", "external")),
        (CLIENT, {"peer__service": "auth"}, CalledPeer("auth", "service")),
        (PRODUCER, {"messaging__system": "kafka", "server__address": "k.test"}, CalledPeer("k.test", "messaging")),
        (INTERNAL, {"db__system": "sqlite"}, CalledPeer("sqlite", "database", in_process=True)),
        (SERVER, {"db__system": "sqlite"}, None),
        (INTERNAL, {"server__address": "auth"}, None),
        (CLIENT, {}, None),
    ],
)
def test_what_a_span_called(kind: SpanKind, names: dict[str, Value], peer: CalledPeer | None) -> None:
    assert peer_of(call(SpanBuilder(10**18), "shop", 1, None, kind, **names), CALLEES) == peer  # type: ignore[arg-type]


def test_diagrams_quote_what_names_contain() -> None:
    make = SpanBuilder(10**18)
    found = edges([[call(make, 'a"b\\', 1, None, CLIENT, server__address="x<y")]], [('a"b\\', "cache")])
    assert dot(found) == (
        "digraph services {\n"
        "  rankdir=LR;\n"
        '  "a\\"b\\\\" [shape=box];\n'
        '  "cache" [shape=cylinder];\n'
        '  "x<y" [shape=ellipse];\n'
        '  "a\\"b\\\\" -> "cache" [label="declared, not called", style=dashed];\n'
        '  "a\\"b\\\\" -> "x<y" [label="1 call, not declared", style=dotted];\n'
        "}\n"
    )
    assert mermaid(found) == (
        "flowchart LR\n"
        '  n0["a&quot;b\\"]\n'
        '  n1[("cache")]\n'
        '  n2(["x&lt;y"])\n'
        '  n0 -.-|"declared, not called"| n1\n'
        '  n0 -.->|"1 call, not declared"| n2\n'
    )
