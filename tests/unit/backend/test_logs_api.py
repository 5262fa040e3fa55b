"""``/api/devenv/logs``: its parameters, its answers, and that devenv's client reads what it writes."""

from __future__ import annotations

from typing import Any

import pytest
from embedded.in_process import PROTOBUF, backend, get
from embedded.log_build import as_json, logged, make_record
from otlp_build import span_id, trace_id

from devenv.backend.server import Backend
from devenv.http.server import HttpRequest, Response
from devenv.model.log import LogRecord
from devenv.traces.logs.json_form import log_parameters, parse_record
from devenv.traces.logs.source import LogQuery

__all__ = ["backend"]
PATH = "/api/devenv/logs"


def post(backend: Backend, body: bytes, content_type: str = PROTOBUF) -> Response:
    answer = backend._receiver.logs(HttpRequest("POST", "/v1/logs", "", {"content-type": content_type}, body))
    assert isinstance(answer, Response)
    return answer


async def texts(backend: Backend, **parameters: Any) -> list[str]:
    status, document = await get(backend, PATH, **parameters)
    assert status == 200, document
    return [record["text"] for record in document["records"]]


async def test_a_record_as_it_was_sent(backend: Backend) -> None:
    trace, span = trace_id(), span_id()
    record = make_record(
        {"a": [1, 2.5, None]},
        trace=trace,
        span=span,
        at=1_700_000_000_000_000_001,
        severity=18,
        severity_text="Error2",
        attributes={"n": 2**60, "b": b"\0\xff", "nan": float("nan")},
        event="order.paid",
    )
    post(backend, logged("shop", record, resource={"host": "h"}))
    status, document = await get(backend, PATH)
    assert status == 200
    assert document == {
        "records": [
            {
                "time_unix_nano": "1700000000000000001",
                "service": "shop",
                "severity": "ERROR",
                "severity_number": 18,
                "severity_text": "Error2",
                "text": '{"a":[1,2.5,null]}',
                "body": {"a": [1, 2.5, None]},
                "trace_id": trace.hex(),
                "span_id": span.hex(),
                "event_name": "order.paid",
                "attributes": {"n": 2**60, "b": "AP8=", "nan": "NaN"},
                "resource": {"service.name": "shop", "host": "h"},
                "scope": "tests",
            }
        ],
        "limit": 1000,
        "more": False,
        "next": None,
        "arrived": 1,
    }
    assert parse_record(document["records"][0]) == LogRecord(
        time_ns=1_700_000_000_000_000_001,
        service="shop",
        severity=18,
        severity_text="Error2",
        body={"a": [1, 2.5, None]},
        trace_id=trace.hex(),
        span_id=span.hex(),
        event_name="order.paid",
        attributes={"n": 2**60, "b": "AP8=", "nan": "NaN"},
        resource={"service.name": "shop", "host": "h"},
        scope="tests",
    )


async def test_every_parameter_of_a_query_is_understood(backend: Backend) -> None:
    trace, span = trace_id(), span_id()
    good = make_record("Good", trace=trace, span=span, at=5_000_000_000, severity=13, attributes={"k=": "v=w"})
    post(backend, logged("a", good, make_record("bad", at=1, severity=1), resource={"x": "y"}))
    query = LogQuery(
        trace_id=trace.hex(),
        span_id=span.hex(),
        services=("a", "b"),
        severity=13,
        start_ns=4_999_999_999,
        end_ns=5_000_000_001,
        text="goo",
        attributes={"x": "y"},
        limit=7,
        before="6000000000.1",
    )
    from urllib.parse import parse_qs

    assert await texts(backend, **parse_qs(log_parameters(query))) == ["Good"]
    assert await texts(backend, severity="warning") == ["Good"]
    assert await texts(backend, since="1970-01-01T00:00:05Z") == ["Good"]
    assert await texts(backend, until="1970-01-01T00:00:05Z") == ["bad"]


async def test_pages(backend: Backend) -> None:
    post(backend, logged("a", *(make_record(str(number), at=number + 1) for number in range(5))))
    status, document = await get(backend, PATH, limit=2)
    assert (status, document["more"], document["limit"]) == (200, True, 2)
    assert [record["text"] for record in document["records"]] == ["3", "4"]
    status, document = await get(backend, PATH, limit=3, before=document["next"])
    assert [record["text"] for record in document["records"]] == ["0", "1", "2"]
    assert (document["more"], document["next"]) == (False, None)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("traceID", "xyz", "a trace id has 1 to 32 hexadecimal digits"),
        ("spanID", "1" * 17, "a span ID has 1 to 16 hexadecimal digits"),
        ("severity", "loud", "expected one of trace, debug, info, warn, error, fatal, or 1 to 24"),
        ("severity", "25", "or 1 to 24"),
        ("since", "yesterday", "not an RFC 3339 time"),
        ("until", "12", "not an RFC 3339 time"),
        ("attribute", "key", "expected key=value, found 'key'"),
        ("attribute", "=x", "expected key=value"),
        ("limit", "0", "expected 1 to 10000"),
        ("limit", "ten", "invalid syntax"),
        ("before", "5", "expected the `next` of an earlier answer"),
        ("serverity", "error", "unknown parameter 'serverity', expected one of traceID, spanID"),
    ],
)
async def test_a_wrong_parameter_is_named(backend: Backend, name: str, value: str, expected: str) -> None:
    status, document = await get(backend, PATH, **{name: value})
    assert status == 400
    assert f"parameter '{name}'" in document["error"]
    assert expected in document["error"]


async def test_json_and_protobuf_are_the_same_records(backend: Backend) -> None:
    trace = trace_id()
    body = logged(
        "a",
        make_record({"k": [True, b"x"]}, trace=trace, span=span_id(), attributes={"f": 1.5}),
        make_record(None, at=3, severity=0, severity_text="fatal", event="e"),
    )
    post(backend, body)
    post(backend, as_json(body), "application/json")
    _, document = await get(backend, PATH)
    records = document["records"]
    assert len(records) == 4
    assert records[0] == records[1]
    assert records[2] == records[3]
    assert records[0]["severity"] == "FATAL"


async def test_a_part_that_is_refused_is_told(backend: Backend) -> None:
    body = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{},{"body":{"stringValue":"x"}}]}]}]}'
    answer = post(backend, body, "application/json")
    assert answer.body == (
        b'{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":'
        b'"log records that are empty, larger than 1 MiB, or with values nested too deep"}}'
    )
    assert await texts(backend) == ["x"]
    assert b"no log record found" in bytes(
        post(backend, b'{"resourceSpans":[{"scopeSpans":[]}]}', "application/json").body
    )  # type: ignore[arg-type]
    wrong = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"y"}},{"traceId":"1"}]}]}]}'
    refused = post(backend, wrong, "application/json")
    assert refused.status == 400
    assert await texts(backend) == ["x"]


async def test_severity_by_name_in_json(backend: Backend) -> None:
    body = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityNumber":"SEVERITY_NUMBER_WARN3"}]}]}]}'
    assert post(backend, body, "application/json").status == 200
    _, document = await get(backend, PATH)
    assert document["records"][0]["severity_number"] == 15


async def test_the_stats_count_logs(backend: Backend) -> None:
    post(backend, logged("a", make_record(), make_record()))
    logs = backend.stats()["logs"]
    assert (logs["records_received"], logs["records_stored"]) == (2, 2)
    assert logs["max_bytes"] == 32 * 1024 * 1024
    assert logs["services"]["a"]["records_received"] == 2
    assert backend.stats()["posts"]["logs"] == 1


async def test_records_in_order_of_arrival(backend: Backend) -> None:
    for name, at in (("web", 3), ("web", 1), ("api", 2)):
        post(backend, logged(name, make_record(f"{name} {at}", at=at)))
    _, document = await get(backend, PATH)
    assert document["arrived"] == 3
    assert await texts(backend, arrivedFrom=1) == ["web 1", "api 2"]
    assert await texts(backend, arrivedFrom=1, arrivedBefore=2) == ["web 1"]
    assert await texts(backend, arrivedFrom=1, service="web") == ["web 1"]
    assert await texts(backend, arrivedBefore=0) == []
    assert await texts(backend, arrivedFrom=3) == []
    for name in ("arrivedFrom", "arrivedBefore"):
        status, document = await get(backend, PATH, **{name: "x"})
        assert status == 400
        assert name in document["error"]
