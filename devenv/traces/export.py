"""Export of devenv's own root spans by OTLP/HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self

from devenv.errors import BackendUnavailable
from devenv.model.span import Span, Value
from devenv.model.trace import OWN_SERVICE
from devenv.otlp.span_encoding import encode_request, encode_span
from devenv.traces.http import HttpClient, TransportError

SCOPE = "devenv"
RESOURCE: Mapping[str, Value] = {"service.name": OWN_SERVICE}


class SpanExporter:
    """Posts spans of devenv's own to an OTLP/HTTP receiver.

    Args:
        otlp_http_url: base URL of the receiver (port 4318), without ``/v1/traces``.
        timeout: seconds for one request.
    """

    def __init__(self, otlp_http_url: str, *, timeout: float = 5.0) -> None:
        self.url = otlp_http_url.rstrip("/").removesuffix("/v1/traces")
        self._http = HttpClient(self.url, timeout=timeout, connections=2)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    async def export(self, spans: Iterable[bytes]) -> None:
        """Send encoded spans in one request.

        Raises:
            BackendUnavailable: they were not taken.
        """
        await self._post(encode_request(RESOURCE, SCOPE, spans), "application/x-protobuf")

    async def export_json(self, resource_spans: Sequence[Mapping[str, object]]) -> None:
        """Send spans that are OTLP JSON already, in one request.

        Raises:
            BackendUnavailable: they were not taken.
        """
        await self._post(json.dumps({"resourceSpans": resource_spans}).encode(), "application/json")

    async def _post(self, body: bytes, content_type: str) -> None:
        headers = {"content-type": content_type}
        try:
            response = await self._http.request("POST", "/v1/traces", headers=headers, body=body)
        except TransportError as error:
            raise self._unavailable(str(error)) from error
        if response.status != 200:
            raise self._unavailable(f"POST /v1/traces answered {response.status}")

    def _unavailable(self, reason: str) -> BackendUnavailable:
        return BackendUnavailable(
            f"OTLP receiver at {self.url}: {reason}",
            hint="the trace backend takes OTLP over HTTP on port 4318; devenv status shows whether it runs",
            details={"otlp_http_url": self.url},
        )


async def export_spans(otlp_http_url: str, spans: Sequence[Span]) -> None:
    """Send a few spans of devenv's own once.

    Raises:
        BackendUnavailable: they were not taken.
    """
    async with SpanExporter(otlp_http_url) as exporter:
        await exporter.export([encode_span(span) for span in spans])
