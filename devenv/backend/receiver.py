"""The OTLP/HTTP receiver.

Rules: https://opentelemetry.io/docs/specs/otlp/#otlphttp-request and -response.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from devenv.backend import columns, otlp_json, schema
from devenv.backend.inflate import BadEncoding, BodyTooLarge, UnknownEncoding, inflate
from devenv.backend.scopes import parse
from devenv.backend.store import Store
from devenv.backend.web.message import JSON, Request, Response, dumps
from devenv.backend.web.router import Route
from devenv.backend.wire import Batch, Undecodable, batches

PROTOBUF = "application/x-protobuf"
# Codes of google.rpc.Status.
_INVALID_ARGUMENT = 3
_RESOURCE_EXHAUSTED = 8
_HELD_BYTES = 4 * 1024 * 1024


class Receiver:
    """Takes traces into a store; counts metrics and logs and lets them go.

    Args:
        store: where the spans go.
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

    def traces(self, request: Request) -> Response:
        """Store the spans of one request: all of them, or none where a part cannot be decoded."""
        self.traces_posts += 1
        return self._receive(request, self._store_spans)

    def metrics(self, request: Request) -> Response:
        """Accepted, so that an exporter does not retry and warn; counted, not stored."""
        self.metrics_posts += 1
        return self._receive(request, _ignore)

    def logs(self, request: Request) -> Response:
        """As metrics."""
        self.logs_posts += 1
        return self._receive(request, _ignore)

    def _receive(self, request: Request, take: Callable[[bytes, bool], tuple[int, str]]) -> Response:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type not in {PROTOBUF, JSON}:
            self.refused_posts += 1
            return Response.text(f"415 unsupported media type, supported: [{PROTOBUF}, {JSON}]\n", 415)
        encoded = content_type == PROTOBUF
        try:
            encoding = request.headers.get("content-encoding", "").strip().lower()
            body = inflate(request.body, encoding, self._limit)
            rejected, reason = take(body, encoded)
        except (BodyTooLarge, otlp_json.TooLarge) as error:
            return self._refuse(413, _RESOURCE_EXHAUSTED, str(error), encoded)
        except UnknownEncoding as error:
            return self._refuse(415, _INVALID_ARGUMENT, str(error), encoded)
        except (BadEncoding, Undecodable) as error:
            return self._refuse(400, _INVALID_ARGUMENT, str(error), encoded)
        return _accepted(rejected, reason, encoded)

    def _store_spans(self, body: bytes, encoded: bool) -> tuple[int, str]:
        document = None if encoded else otlp_json.parse(body)

        def walk() -> Iterator[tuple[Batch, columns.Columns]]:
            return _decoded(batches(body) if document is None else otlp_json.batches(document))

        # A bad request leaves nothing behind: all of it is checked before any of it is stored. A large body is
        # walked once more for that, so that no more than a chunk of it is held decoded.
        if len(body) <= _HELD_BYTES:
            return self._store_all(list(walk()))
        for _ in walk():
            pass
        return self._store_all(walk())

    def _store_all(self, items: Iterable[tuple[Batch, columns.Columns]]) -> tuple[int, str]:
        rejected = 0
        reasons = set()
        for batch, decoded in items:
            if decoded.rejected:
                reasons.add("spans without a valid id or larger than 4 MiB")
            refused = self._store.add(batch, decoded)
            if refused:
                reasons.add("a trace larger than the backend keeps")
            rejected += decoded.rejected + refused
        return rejected, "; ".join(sorted(reasons))

    def _refuse(self, status: int, code: int, message: str, encoded: bool) -> Response:
        self.refused_posts += 1
        if encoded:
            body = schema.RpcStatus(code=code, message=message.encode("utf-8", "replace")).SerializeToString()
            return Response(status, body, PROTOBUF)
        return Response(status, dumps({"code": code, "message": message}), JSON)


def _decoded(walk: Iterator[Batch]) -> Iterator[tuple[Batch, columns.Columns]]:
    known = None
    for batch in walk:
        if (batch.resource, batch.scope) != known:
            parse(batch)
            known = (batch.resource, batch.scope)
        yield batch, columns.decode(batch.spans)


def _ignore(body: bytes, encoded: bool) -> tuple[int, str]:
    if not encoded:
        otlp_json.parse(body)
    return 0, ""


def _accepted(rejected: int, reason: str, encoded: bool) -> Response:
    if not rejected:
        return Response(200, b"", PROTOBUF) if encoded else Response(200, b"{}", JSON)
    if encoded:
        response = schema.ExportResponse()
        response.partial_success.rejected_spans = rejected
        response.partial_success.error_message = reason.encode()
        return Response(200, response.SerializeToString(), PROTOBUF)
    return Response(200, dumps({"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": reason}}), JSON)
