"""JSON requests read piece by piece give what a whole decoding gives."""

from __future__ import annotations

import json
from typing import Any

import pytest

from devenv.otlp import json_scanner, json_steps
from devenv.otlp.batches import Batch
from devenv.otlp.json_steps import JsonRequest
from devenv.otlp.wire import TooLarge, Undecodable


def found(body: bytes) -> list[Batch]:
    return [step for step in JsonRequest(body).steps() if step is not None]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every value is a large one, every window short."""
    monkeypatch.setattr(json_steps, "PIECE", 0)
    monkeypatch.setattr(json_scanner, "PIECE", 8)
    monkeypatch.setattr(json_scanner, "_WINDOW", 32)
    monkeypatch.setattr(json_steps, "MAX_SPAN_BYTES", 1 << 20)


TEXTS = ["", "plain", 'a "quote" and \\ more', "\\" * 300, "é\u2028\U0001f600", "]}{[", '\\"' * 90, "\n\t"]


def document() -> dict[str, Any]:
    spans = [
        {
            "traceId": f"{number:032x}",
            "spanId": f"{number:016x}",
            "name": text,
            "unknown": [text, {"x": [1.5e-3, True, None, text]}],
            "attributes": [{"key": text, "value": {"arrayValue": {"values": [{"stringValue": text}]}}}],
        }
        for number, text in enumerate(TEXTS, 1)
    ]
    scopes = [{"spans": spans[:5], "scope": {"name": "first"}, "schemaUrl": "u"}, {"spans": []}, {"spans": None}]
    return {
        "unknown": [{}, [], "", 0],
        "resourceSpans": [
            {
                "scopeSpans": scopes,
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "a"}}]},
                "schemaUrl": "v",
            },
            {"resource": None, "scope_spans": [{"spans": spans[5:]}]},
        ],
    }


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_the_parts_are_those_of_the_whole(tiny: None, indent: int | None, ascii_only: bool) -> None:
    body = json.dumps(document(), indent=indent, ensure_ascii=ascii_only).encode()
    pieces = found(body)
    assert pieces == found(bytes(bytearray(body)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_steps, "PIECE", 1 << 20)
        whole = found(body)
    flat = [(batch.resource, batch.resource_url, batch.scope, span) for batch in whole for span in batch.spans]
    assert flat == [(batch.resource, batch.resource_url, batch.scope, span) for batch in pieces for span in batch.spans]
    assert len(flat) == len(TEXTS)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"resourceSpans":[}',
        b'{"resourceSpans":[{]}',
        b'{"resourceSpans":[{}],}',
        b'{"resourceSpans":[{}]} x',
        b'{"resourceSpans":{}}',
        b'{"resourceSpans":[1]}',
        b'{"resourceSpans":[{"scopeSpans":[{"spans":["x"]}]}]}',
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":1}]}]}]}',
        b'{"resourceSpans":[{"resource":[]}]}',
        b'{"a":"',
        b'{"a":"\\',
        b'{"a" 1}',
        b'{"a":}',
        b"{1:2}",
    ],
)
def test_what_is_not_such_a_request(tiny: None, body: bytes) -> None:
    with pytest.raises(Undecodable):
        found(body)


@pytest.mark.parametrize("part", [b"[],", b"{},", b"1,"])
def test_too_many_values_are_refused_before_any_is_read(
    tiny: None, monkeypatch: pytest.MonkeyPatch, part: bytes
) -> None:
    body = b'{"resourceSpans":[' + part * 1000 + b"{}]}"
    monkeypatch.setattr(json_scanner, "_SEPARATORS", 999)
    monkeypatch.setattr(json_scanner.Scanner, "members", lambda *given: pytest.fail("it is read"))
    with pytest.raises(TooLarge, match="commas or brackets"):
        found(body)
