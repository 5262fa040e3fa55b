"""The OTLP/HTTP receiver.

Rules: https://opentelemetry.io/docs/specs/otlp/#otlphttp-request and -response.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass

from devenv.backend.store.scopes import parse
from devenv.backend.store.store import Store
from devenv.http.server.compression import BadEncoding, BodyTooLarge, UnknownEncoding, inflate
from devenv.http.server.message import JSON, Request, Response, dumps
from devenv.http.server.router import Route
from devenv.otlp import columns, json_requests, messages
from devenv.otlp.batches import ORDINARY_BYTES, Batch, batches
from devenv.otlp.wire import TooLarge, Undecodable

PROTOBUF = "application/x-protobuf"
# Codes of google.rpc.Status.
_INVALID_ARGUMENT = 3
_RESOURCE_EXHAUSTED = 8


class Receiver:
    """The handlers: traces are stored, metrics and logs are counted and dropped.

    Args:
        store: receives the spans.
        limit: largest body in bytes, after decompression.
    """

    def __init__(self, store: Store, limit: int) -> None:
        self._store = store
        self._limit = limit
        self.traces_posts = 0
        self.metrics_posts = 0
        self.logs_posts = 0
        self.refused_posts = 0

    def routes(self) -> list[Route]:
        """POST /v1/traces, /v1/metrics, /v1/logs."""
        return [
            Route("POST", "/v1/traces", self.traces),
            Route("POST", "/v1/metrics", self.metrics),
            Route("POST", "/v1/logs", self.logs),
        ]

    def traces(self, request: Request) -> Response | Awaitable[Response]:
        """Store the spans of one request: all of them, or none if a part cannot be decoded."""
        self.traces_posts += 1
        opened = self._open(request)
        if isinstance(opened, Response):
            return opened
        if len(opened.body) > ORDINARY_BYTES:
            return self._store_in_turns(opened)
        try:
            rejected, reasons = self._store_all(list(opened.decoded()))
        except (Undecodable, TooLarge) as error:
            return self._failed(error, opened.encoded)
        return _accepted(rejected, reasons, opened.encoded)

    def metrics(self, request: Request) -> Response:
        """Accept metrics, so that an exporter does not retry and warn; they are counted, not stored."""
        self.metrics_posts += 1
        return self._ignore(request)

    def logs(self, request: Request) -> Response:
        """Accept logs, like metrics."""
        self.logs_posts += 1
        return self._ignore(request)

    def _ignore(self, request: Request) -> Response:
        opened = self._open(request)
        return opened if isinstance(opened, Response) else _accepted(0, set(), opened.encoded)

    def _open(self, request: Request) -> _Opened | Response:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type not in {PROTOBUF, JSON}:
            self.refused_posts += 1
            return Response.text(f"415 unsupported media type, supported: [{PROTOBUF}, {JSON}]\n", 415)
        encoded = content_type == PROTOBUF
        encoding = request.headers.get("content-encoding", "").strip().lower()
        try:
            body = inflate(request.body, encoding, self._limit)
            return _Opened(body, encoded, None if encoded else json_requests.parse(body))
        except (BodyTooLarge, UnknownEncoding, BadEncoding, Undecodable, TooLarge) as error:
            return self._failed(error, encoded)

    async def _store_in_turns(self, opened: _Opened) -> Response:
        # A large body is read twice, to check all of it before any of it is stored. So at most one chunk of it is
        # decoded in memory, and other connections are served in between.
        rejected, reasons = 0, set()
        try:
            for _ in opened.decoded():
                await asyncio.sleep(0)
            for item in opened.decoded():
                more, why = self._store_all([item])
                rejected += more
                reasons |= why
                await asyncio.sleep(0)
        except (Undecodable, TooLarge) as error:
            return self._failed(error, opened.encoded)
        return _accepted(rejected, reasons, opened.encoded)

    def _store_all(self, items: list[tuple[Batch, columns.Columns]]) -> tuple[int, set[str]]:
        rejected = 0
        reasons = set()
        for batch, decoded in items:
            if decoded.rejected:
                reasons.add("spans without a valid ID or larger than 4 MiB")
            refused = self._store.add(batch, decoded)
            if refused:
                reasons.add("a trace above the backend's size limit")
            rejected += decoded.rejected + refused
        return rejected, reasons

    def _failed(self, error: ValueError, encoded: bool) -> Response:
        if isinstance(error, BodyTooLarge | TooLarge):
            return self._refuse(413, _RESOURCE_EXHAUSTED, str(error), encoded)
        status = 415 if isinstance(error, UnknownEncoding) else 400
        return self._refuse(status, _INVALID_ARGUMENT, str(error), encoded)

    def _refuse(self, status: int, code: int, message: str, encoded: bool) -> Response:
        self.refused_posts += 1
        if encoded:
            body = messages.RpcStatus(code=code, message=message.encode("utf-8", "replace")).SerializeToString()
            return Response(status, body, PROTOBUF)
        return Response(status, dumps({"code": code, "message": message}), JSON)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A decompressed body; a JSON one is parsed, too."""

    body: bytes
    encoded: bool
    document: json_requests.Document | None

    def decoded(self) -> Iterator[tuple[Batch, columns.Columns]]:
        """Yield its batches, checked and decoded into columns.

        Raises:
            Undecodable, TooLarge: If a part is not valid; raised at the first such part.
        """
        known = None
        for batch in batches(self.body) if self.document is None else json_requests.batches(self.document):
            if (batch.resource, batch.scope) != known:
                parse(batch)
                known = (batch.resource, batch.scope)
            yield batch, columns.decode(batch.spans)


def _accepted(rejected: int, reasons: set[str], encoded: bool) -> Response:
    reason = "; ".join(sorted(reasons))
    if not rejected:
        return Response(200, b"", PROTOBUF) if encoded else Response(200, b"{}", JSON)
    if encoded:
        response = messages.ExportResponse()
        response.partial_success.rejected_spans = rejected
        response.partial_success.error_message = reason.encode()
        return Response(200, response.SerializeToString(), PROTOBUF)
    return Response(200, dumps({"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": reason}}), JSON)
