"""docs/monitoring.md lists the causes that `up` and `load` print: in both directions."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from documentation import agrees

from devenv.analysis.causes import Setup, cause_of_absence, cause_of_missing, fault_of
from devenv.analysis.tree import SpanTree, build_tree
from devenv.model.span import Span, SpanKind
from devenv.model.trace import Trace

PAGE = Path(__file__).parents[2] / "docs" / "monitoring.md"
CALLED = Span(
    trace_id="a" * 32,
    span_id="b" * 16,
    service="auth",
    name="GET",
    kind=SpanKind.CLIENT,
    start_ns=0,
    end_ns=1,
    attributes={"server.address": "user"},
)
CALL = build_tree(Trace(CALLED.trace_id, (CALLED,)))


def answered_as(name: str) -> SpanTree:
    answer = replace(CALLED, span_id="c" * 16, parent_id=CALLED.span_id, service=name, kind=SpanKind.SERVER)
    return build_tree(Trace(CALLED.trace_id, (CALLED, answer)))


FAULTS = [
    fault_of(Setup(endpoint="http://jaeger:4317", protocol="http/protobuf")),
    fault_of(Setup(endpoint="http://localhost:4318", protocol="http/protobuf", isolated=True)),
    fault_of(Setup(endpoint="http://jaeger:4318", protocol="grpc")),
    fault_of(Setup(endpoint="http://jager:4318", unknown_host=True)),
    fault_of(Setup(endpoint="http://jaeger:16686", wrong_port=True)),
    fault_of(Setup(endpoint="http://collector:4318", refused=True, isolated=True)),
    fault_of(Setup(endpoint="http://127.0.0.1:4399", refused=True)),
    fault_of(Setup(endpoint="jaeger:4318")),
    fault_of(Setup(endpoint="http://jaeger:4318/v1/traces", endpoint_variable="OTEL_EXPORTER_OTLP_ENDPOINT")),
    fault_of(Setup(endpoint="http://jaeger:4318", endpoint_variable="OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")),
    fault_of(Setup(sampler="always_off")),
    fault_of(Setup(sampler="traceidratio", sampler_argument="0.1")),
    fault_of(Setup(exporter="none")),
    fault_of(Setup(disabled=True)),
    fault_of(Setup(instrumented=False)),
    cause_of_absence(None, {}, frozenset()),
    cause_of_absence(None, {}, frozenset({"auth"}), active=frozenset()),
    cause_of_missing("user", answered_as("unknown_service:node"), {}, frozenset({"auth"})),
    cause_of_missing("user", answered_as("members"), {}, frozenset({"auth"})),
    cause_of_missing("user", CALL, {}, frozenset({"auth"})),
    cause_of_missing("user", CALL, {}, frozenset({"auth", "user"}), joined=frozenset({"user"})),
    cause_of_missing("user", CALL, {}, frozenset({"auth", "user"}), frozenset()),
]


def rows() -> list[str]:
    table = re.search(r"^\| what `up` or `load` prints .*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE.read_text(), re.MULTILINE)
    assert table
    return [row.strip("|").split(" | ")[0].strip() for row in table[1].splitlines()]


def test_every_row_is_said_and_every_fault_has_its_row() -> None:
    assert all(FAULTS)
    said = {row: [fault for fault in FAULTS if agrees([f"…{row}…"], [fault])] for row in rows()}
    assert [row for row, faults in said.items() if not faults] == []
    assert {fault for faults in said.values() for fault in faults} == set(FAULTS)
