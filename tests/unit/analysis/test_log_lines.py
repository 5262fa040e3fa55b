"""What is read in lines of output, as logging libraries write them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from devenv.analysis.log_lines import Said, is_of_trace, said_in

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
AT = 1_700_000_000.25

JSON: dict[str, dict[str, Any]] = {
    "OpenTelemetry": {"trace_id": TRACE, "span_id": SPAN, "severity": "WARN", "message": "m", "timestamp": AT},
    "camel case": {"traceId": TRACE, "spanId": SPAN, "level": "warning", "msg": "m", "time": AT * 1000},
    "structlog": {"trace_id": TRACE, "span_id": SPAN, "level": "warning", "event": "m", "timestamp": AT * 1e6},
    "pino": {"level": 40, "time": AT * 1000, "msg": "m", "trace_id": TRACE, "span_id": SPAN, "pid": 7},
    "ECS": {
        "@timestamp": "2023-11-14T22:13:20.250Z",
        "log.level": "WARN",
        "message": "m",
        "trace": {"id": TRACE},
        "span": {"id": SPAN},
    },
    "ECS, nested": {
        "@timestamp": "2023-11-14T22:13:20.250Z",
        "log": {"level": "warn"},
        "message": "m",
        "trace.id": TRACE,
        "span.id": SPAN,
    },
    "Python's instrumentation": {
        "otelTraceID": TRACE,
        "otelSpanID": SPAN,
        "levelname": "WARNING",
        "message": "m",
        "ts": 1_700_000_000_250_000_000,
    },
    "Serilog": {
        "@t": "2023-11-14T22:13:20.2500000Z",
        "@l": "Warning",
        "@m": "m",
        "Properties": {"TraceId": TRACE, "SpanId": SPAN},
    },
}


@pytest.mark.parametrize("name", JSON)
def test_json(name: str) -> None:
    expected = Said(trace_id=TRACE, span_id=SPAN, severity="WARN", message="m", time=AT)
    assert said_in(json.dumps(JSON[name])) == expected


def test_datadog_has_the_lower_half_in_decimal() -> None:
    line = json.dumps({"dd": {"trace_id": str(int(TRACE[16:], 16)), "span_id": int(SPAN, 16)}, "message": "m"})
    said = said_in(line)
    assert (said.trace_id, said.span_id) == (TRACE[16:], SPAN)
    assert is_of_trace(line, said.trace_id, TRACE)
    assert not is_of_trace(line, said.trace_id, "0" * 32)
    flat = said_in(json.dumps({"dd.trace_id": TRACE, "dd.span_id": str(int(SPAN, 16))}))
    assert (flat.trace_id, flat.span_id) == (TRACE, SPAN)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", Said()),
        ("hello", Said()),
        (f"INFO served trace_id={TRACE} span_id={SPAN}", Said(trace_id=TRACE, span_id=SPAN, severity="INFO")),
        (f"GET /x traceparent: 00-{TRACE}-{SPAN}-01", Said(trace_id=TRACE, span_id=SPAN)),
        ('level=error msg="no such order"', Said(severity="ERROR")),
        ("2026-11-28 20:00:00,1 WARNING root: slow", Said(severity="WARN")),
        ("[CRITICAL] out of memory", Said(severity="FATAL")),
        ("the error of the day", Said()),
        ("x" * 90 + " ERROR", Said()),
        ('{"level": "info"', Said()),
        ('{"level": "loud", "message": 5, "trace_id": "xyz", "time": "soon"}', Said()),
        ('{"level": true, "trace_id": "' + "0" * 32 + '"}', Said()),
        ('app | {"level": "debug", "msg": "m"}', Said(severity="DEBUG", message="m")),
        ("[" * 5000 + "{" + "}", Said()),
        ('{"a":' * 3000 + "1" + "}" * 3000, Said()),
        ("{}", Said()),
        ('{"trace_id": 12345678901234567890123}', Said()),
        ('{"severity": {"x": 1}, "level": [], "message": null, "msg": "m"}', Said(message="m")),
        (json.dumps({"message": f"trace_id={TRACE}"}), Said(trace_id=TRACE, message=f"trace_id={TRACE}")),
    ],
)  # fmt: skip
def test_lines(line: str, expected: Said) -> None:
    assert said_in(line) == expected


def test_a_part_of_an_id_is_enough() -> None:
    assert is_of_trace("", TRACE, TRACE[:6])
    assert is_of_trace(f"x {TRACE}", None, TRACE[4:9])
    assert not is_of_trace("x", None, TRACE)
