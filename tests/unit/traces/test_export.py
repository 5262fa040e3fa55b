"""What an OTLP receiver answers to devenv's own exports."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from devenv.errors import BackendUnavailable
from devenv.traces.export import Refusal, SpanExporter
from devenv.traces.http import BackendResponse


class Answering:
    def __init__(self, status: int, body: bytes) -> None:
        self.response = BackendResponse(status, body)

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> BackendResponse:
        return self.response

    async def aclose(self) -> None:
        pass


async def export(body: bytes, status: int = 200) -> Refusal:
    async with SpanExporter("http://backend:4318", sender=lambda _: Answering(status, body)) as exporter:
        return await exporter.export_request([])


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        (b"", Refusal()),
        (b"{}", Refusal()),
        (b'{"partialSuccess":{}}', Refusal()),
        (b'{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too large"}}', Refusal(3, "too large")),
        (b'{"partialSuccess":{"errorMessage":"use another field"}}', Refusal(0, "use another field")),
        (b"[]", Refusal()),
        (b"\xff", Refusal()),
        (b'{"partialSuccess":{"rejectedSpans":[]}}', Refusal()),
    ],
)
async def test_what_the_receiver_refused_is_returned(answer: bytes, refusal: Refusal) -> None:
    assert await export(answer) == refusal


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b'{"code":3,"message":"OTLP JSON: traceId"}', "answered 400: OTLP JSON: traceId"),
        (b"404 page not found", "answered 400"),
        (b'"' + b"x" * 10_000 + b'"', "answered 400"),
    ],
)
async def test_an_error_has_the_receivers_reason(answer: bytes, said: str) -> None:
    with pytest.raises(BackendUnavailable) as caught:
        await export(answer, 400)
    assert caught.value.message.endswith(said)
