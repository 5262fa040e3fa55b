"""Export of devenv's own root spans over OTLP/HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self

from devenv.errors import BackendUnavailable
from devenv.immutable import immutable
from devenv.model.span import Span, Value
from devenv.model.trace import OWN_SERVICE
from devenv.otlp.span_encoding import encode_request, encode_span
from devenv.otlp.values import text
from devenv.traces.http import HttpClient, RequestSender, TransportError

SCOPE = "devenv"
_REASON = 300
"""Characters of a receiver's reason that are shown."""

RESOURCE: Mapping[str, Value] = {"service.name": OWN_SERVICE}


@immutable()
class Refusal:
    """What a receiver refused of a request that it accepted otherwise (OTLP's partial success)."""

    spans: int = 0
    reason: str = ""


def joined(refusals: Iterable[Refusal]) -> Refusal:
    """What several requests had refused, each reason once."""
    found = list(refusals)
    reasons = dict.fromkeys(each.reason for each in found if each.reason)
    return Refusal(sum(each.spans for each in found), "; ".join(reasons))


class SpanExporter:
    """Posts spans of devenv's own to an OTLP/HTTP receiver.

    Args:
        otlp_http_url: base URL of the receiver (port 4318), without ``/v1/traces``.
        sender: returns a client for a base URL; by default one that uses httpx and waits 5 s for a response.
    """

    def __init__(self, otlp_http_url: str, *, sender: Callable[[str], RequestSender] | None = None) -> None:
        self.url = otlp_http_url.rstrip("/").removesuffix("/v1/traces")
        self._http = (sender or _httpx_sender)(self.url)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def export(self, spans: Iterable[bytes]) -> None:
        """Send encoded spans in one request.

        Raises:
            BackendUnavailable: If the receiver does not accept them.
        """
        await self._post(encode_request(RESOURCE, SCOPE, spans), "application/x-protobuf")

    async def export_request(self, request: bytes | Sequence[Mapping[str, object]]) -> Refusal:
        """Send an encoded request, or ``resourceSpans`` of OTLP JSON, and return what the receiver refused of it.

        Raises:
            BackendUnavailable: If the receiver does not accept it.
        """
        if isinstance(request, bytes):
            return _encoded_refusal(await self._post(request, "application/x-protobuf"))
        body = json.dumps({"resourceSpans": request}).encode()
        return _refusal(await self._post(body, "application/json"))

    async def _post(self, body: bytes, content_type: str) -> bytes:
        headers = {"content-type": content_type}
        try:
            response = await self._http.request("POST", "/v1/traces", headers=headers, body=body)
        except TransportError as error:
            raise self._unavailable(str(error)) from error
        if response.status != 200:
            reason = _text(response.body)
            raise self._unavailable(f"POST /v1/traces answered {response.status}{reason and f': {reason}'}")
        return response.body

    def _unavailable(self, reason: str) -> BackendUnavailable:
        return BackendUnavailable(
            f"OTLP receiver at {self.url}: {reason}",
            hint="check with `devenv status` that the trace backend is running and accepts OTLP over HTTP on port 4318",
            details={"otlp_http_url": self.url},
        )


def _refusal(answer: bytes) -> Refusal:
    """Read the answer to a request in JSON; a body that is not one refuses nothing."""
    try:
        partial = json.loads(answer or b"{}").get("partialSuccess") or {}
        return Refusal(int(partial.get("rejectedSpans") or 0), str(partial.get("errorMessage") or ""))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return Refusal()


def _encoded_refusal(answer: bytes) -> Refusal:
    """Read the answer to a request in protobuf; a body that is not one refuses nothing."""
    from google.protobuf.message import DecodeError

    from devenv.otlp import messages

    try:
        partial = messages.ExportResponse.FromString(answer).partial_success
    except DecodeError:
        return Refusal()
    return Refusal(int(partial.rejected_spans), text(partial.error_message))


def _text(answer: bytes) -> str:
    """The message in an error in JSON; empty if there is none."""
    try:
        return str(json.loads(answer or b"{}").get("message") or "")[:_REASON]
    except (ValueError, AttributeError, RecursionError):
        return ""


def _httpx_sender(base_url: str) -> RequestSender:
    return HttpClient(base_url, timeout=5.0, connections=2)


async def export_spans(
    otlp_http_url: str, spans: Sequence[Span], *, sender: Callable[[str], RequestSender] | None = None
) -> None:
    """Send a few spans of devenv's own once; ``sender`` as in :class:`SpanExporter`.

    Raises:
        BackendUnavailable: If the receiver does not accept them.
    """
    async with SpanExporter(otlp_http_url, sender=sender) as exporter:
        await exporter.export([encode_span(span) for span in spans])
