"""The filter of the bench of searches, in Jaeger's JSON form, and the traces in an answer."""

from __future__ import annotations

from typing import Any


def traces_in(answer: dict[str, Any]) -> int:
    """The number of traces in an answer of either API."""
    if "data" in answer:
        return len(answer["data"])
    parts = answer["result"]["resourceSpans"]
    return len({span["traceId"] for part in parts for scope in part["scopeSpans"] for span in scope["spans"]})


def _call(op: str, *args: dict[str, Any]) -> dict[str, Any]:
    return {"op": op, "args": [{"call": each} if "op" in each else each for each in args]}


def _compared(op: str, level: str, name: str, value: str) -> dict[str, Any]:
    return _call(op, {"field": {"level": level, "name": name}}, {"scalar": {"value": value}})


def _attribute(key: str, value: str) -> dict[str, Any]:
    return _call("eq", {"attr": {"key": key}}, {"scalar": {"value": value}})


# service = gateway and (… = 500 or kind = consumer) and duration >= 50ms and not http.route = /x
FILTER = _call(
    "and",
    _compared("eq", "resource", "service", "gateway"),
    _call("or", _attribute("http.response.status_code", "500"), _compared("eq", "span", "kind", "consumer")),
    _compared("gte", "span", "duration", "50ms"),
    _call("not", _attribute("http.route", "/x")),
)
