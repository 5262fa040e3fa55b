"""What only the embedded backend answers: camelCase v3, summaries, evicted ids, figures, partial success."""

from __future__ import annotations

import json
from typing import Any

import pytest
from embedded.in_process import START, backend, get, post
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from otlp_build import MS, make_span, one, request, resource_spans, span_id, trace_id

from devenv.backend.server import Backend

__all__ = ["backend"]  # a fixture
WINDOW = {"query.startTimeMin": "2023-11-14T22:00:00Z", "query.startTimeMax": "2023-11-14T23:00:00Z"}


async def test_v3_in_camel_case_with_attributes(backend: Backend) -> None:
    red, blue = trace_id(), trace_id()
    for trace, colour in ((red, "red"), (blue, "blue")):
        post(backend, one("paint", make_span(trace, start=START, took=9 * MS, attributes={"colour": colour})))

    async def found(path: str = "/api/v3/traces", **more: str) -> int | list[str]:
        status, document = await get(backend, path, **{"query.serviceName": "paint", **WINDOW, **more})
        if status != 200:
            return status
        groups = document["result"]["resourceSpans"]
        return [span["traceId"] for group in groups for scope in group["scopeSpans"] for span in scope["spans"]]

    assert await found(**{"query.attributes": '{"colour":"red"}'}) == [red.hex()]
    assert await found(**{"query.searchDepth": "1"}) == [blue.hex()]
    assert await found(**{"query.operationName": "work", "query.durationMin": "9ms"}) == [blue.hex(), red.hex()]
    assert await found(**{"query.durationMax": "8ms"}) == 404
    assert await found(**{"query.attributes": "{"}) == 400
    assert await found(**{"query.startTimeMin": WINDOW["query.startTimeMax"]}) == 400
    assert await found(**{"query.searchDepth": "x"}) == 400


async def test_ids_in_base64(backend: Backend) -> None:
    trace = b"\xff\xfe\xfd" + bytes(12) + b"\x01"
    post(backend, one("a", make_span(trace)))
    for form in ("//79AAAAAAAAAAAAAAAAAQ==", "__79AAAAAAAAAAAAAAAAAQ"):
        assert (await get(backend, f"/api/v3/traces/{form.replace('/', '%2F')}"))[0] == 200
    assert (await get(backend, "/api/v3/traces/!!!"))[0] == 400


async def test_summaries(backend: Backend) -> None:
    trace, root = trace_id(), span_id()
    body = request(
        resource_spans("front", make_span(trace, id=root, name="root", start=START, took=50 * MS)),
        resource_spans(
            "back",
            make_span(trace, parent=root, start=START + MS, took=60 * MS, status=2),
            make_span(trace, parent=span_id(), start=START + 2 * MS),
        ),
    )
    post(backend, body)
    status, document = await get(backend, "/api/v3/trace-summaries", **{"query.serviceName": "back", **WINDOW})
    assert status == 200
    assert document == {
        "summaries": [
            {
                "traceId": trace.hex(),
                "rootServiceName": "front",
                "rootOperationName": "root",
                "minStartTimeUnixNano": str(START),
                "maxEndTimeUnixNano": str(START + 61 * MS),
                "spanCount": 3,
                "errorSpanCount": 1,
                "orphanSpanCount": 1,
                "services": [
                    {"name": "back", "spanCount": 2, "errorSpanCount": 1},
                    {"name": "front", "spanCount": 1},
                ],
            }
        ]
    }
    nothing = await get(backend, "/api/v3/trace-summaries", **{"query.serviceName": "none", **WINDOW})
    assert nothing == (200, {"summaries": []})
    assert (await get(backend, "/api/v3/trace-summaries"))[0] == 400


async def test_evicted_is_told_from_absent(backend: Backend) -> None:
    ids = [trace_id() for _ in range(2000)]
    for each in ids:
        post(backend, one("a", make_span(each, attributes={"filler": "x" * 700})))
    absent = trace_id()
    _, told = await get(backend, "/api/devenv/evicted", traceID=[ids[0].hex(), ids[-1].hex(), absent.hex()])
    assert told["evicted"] == [ids[0].hex()]
    assert told["forgotten"] == 0
    _, figures = await get(backend, "/api/devenv/stats")
    assert figures["evicted"]["traces"] == told["total"] > 0
    assert figures["evicted"]["by_service"]["a"]["traces"] == told["total"]
    assert (await get(backend, "/api/devenv/evicted", traceID="x"))[0] == 400


async def test_a_rejected_span_is_a_partial_success_in_both_forms(backend: Backend) -> None:
    response = post(backend, one("a", make_span(bytes(16)), make_span(trace_id())))
    assert isinstance(response.body, bytes)
    answer = ExportTraceServiceResponse.FromString(response.body)
    assert answer.partial_success.rejected_spans == 1
    assert "valid ID" in answer.partial_success.error_message
    span = {"traceId": "0" * 32, "spanId": "1" * 16}
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    response = post(backend, json.dumps(document).encode(), "application/json; charset=utf-8")
    assert isinstance(response.body, bytes)
    assert json.loads(response.body)["partialSuccess"]["rejectedSpans"] == "1"


@pytest.mark.parametrize(
    ("document", "warned"),
    [
        ({}, False),
        ({"resourceSpans": []}, False),
        ({"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "1" * 32, "spanId": "1" * 16}]}]}]}, False),
        ({"resourceLogs": [{"scopeLogs": []}]}, True),
        ({"some": "thing", "which": "is no OTLP"}, True),
        ({"resourceSpans": [{"instrumentationLibrarySpans": [{"spans": [{"name": "of 2021"}]}]}]}, True),
    ],
)
async def test_json_without_spans_is_accepted_with_a_warning(
    backend: Backend, document: dict[str, Any], warned: bool
) -> None:
    response = post(backend, json.dumps(document).encode(), "application/json")
    assert response.status == 200
    assert isinstance(response.body, bytes)
    partial = json.loads(response.body).get("partialSuccess", {"rejectedSpans": "0", "errorMessage": ""})
    assert partial["rejectedSpans"] == "0"
    assert ("no span found" in partial["errorMessage"]) == warned


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("traceId", "Z6z8LqVvEI+kU1/Ci6mXBQ==", "traceId has 32 hexadecimal digits, not 'Z6z8LqVvEI+kU1/Ci6mXBQ=='"),
        ("startTimeUnixNano", {"low": 1, "high": 2}, "is not an integer"),
    ],
)
async def test_what_other_exporters_write_is_refused_with_its_field(
    backend: Backend, field: str, value: Any, said: str
) -> None:
    span = {"traceId": "1" * 32, "spanId": "1" * 16, field: value}
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    response = post(backend, json.dumps(document).encode(), "application/json")
    assert isinstance(response.body, bytes)
    assert (response.status, said in json.loads(response.body)["message"]) == (400, True)


async def test_an_attribute_that_occurs_twice_loses_neither_its_span_nor_others(backend: Backend) -> None:
    twice = [{"key": "nodeName", "value": {"stringValue": text}} for text in ("a", "a", "b")]
    spans = [{"traceId": "1" * 32, "spanId": f"{number:016x}", "attributes": twice} for number in (1, 2)]
    document = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    response = post(backend, json.dumps(document).encode(), "application/json")
    assert (response.status, response.body) == (200, b"{}")
    _, found = await get(backend, f"/api/traces/{'1' * 32}")
    assert [[tag["value"] for tag in span["tags"]] for span in found["data"][0]["spans"]] == [["a", "a", "b"]] * 2


@pytest.mark.parametrize(
    "value", ["#value#", "&value&", "+value+", "?value?", "foo bar", "/c?customer=567", 'say "hi"']
)
async def test_a_search_finds_values_of_any_characters(backend: Backend, value: str) -> None:
    post(backend, one("shop", make_span(trace_id(), start=START, attributes={"text": value})))
    window = {"service": "shop", "start": START // 1000 - 10, "end": START // 1000 + 10**6}
    _, found = await get(backend, "/api/traces", tags=json.dumps({"text": value}), **window)
    assert len(found["data"]) == 1
    _, found = await get(backend, "/api/traces", tags=json.dumps({"text": f"{value}-"}), **window)
    assert found["data"] == []


async def test_an_unspecified_kind_is_internal_in_v3_as_in_later_jaegers(backend: Backend) -> None:
    post(backend, one("a", make_span(trace_id(), kind=0)))
    _, document = await get(backend, "/api/v3/operations", service="a")
    assert document == {"operations": [{"name": "work", "spanKind": "internal"}]}


async def test_a_negative_duration_is_shown_as_none_and_said_so(backend: Backend) -> None:
    trace = trace_id()
    post(backend, one("a", make_span(trace, start=START, took=-5 * MS)))
    _, document = await get(backend, f"/api/traces/{trace.hex()}")
    (span,) = document["data"][0]["spans"]
    assert span["duration"] == 0
    assert "Negative duration" in span["warnings"][0]


async def test_service_names_may_hold_anything(backend: Backend) -> None:
    name = 'a/b c"é<%2F'
    post(backend, one(name, make_span(trace_id())))
    from urllib.parse import quote

    assert (await get(backend, f"/api/services/{quote(name, safe='')}/operations"))[1]["data"] == ["work"]
    assert (await get(backend, "/api/services"))[1]["data"] == [name]


async def test_text_that_is_not_utf_8_costs_its_own_characters_only(backend: Backend) -> None:
    trace = trace_id()
    body = one("a", make_span(trace, name="AAAA", attributes={"k": "BBBB"}))
    assert post(backend, body.replace(b"AAAA", b"A\xffAA").replace(b"BBBB", b"BB\xc3B")).status == 200
    _, document = await get(backend, f"/api/traces/{trace.hex()}")
    (span,) = document["data"][0]["spans"]
    assert span["operationName"] == "A\ufffdAA"
    assert {tag["key"]: tag["value"] for tag in span["tags"]}["k"] == "BB\ufffdB"
