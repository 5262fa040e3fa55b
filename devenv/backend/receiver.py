"""The OTLP/HTTP receiver.

Rules: https://opentelemetry.io/docs/specs/otlp/#otlphttp-request and -response.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

from devenv.backend.large_bodies import AT_ONCE, AT_ONCE_JSON, MEDIUM, Busy, LargeBodies
from devenv.backend.store.scopes import parse
from devenv.backend.store.store import Store
from devenv.http.server.body_errors import BadEncoding, BodyTooLarge, UnknownEncoding
from devenv.http.server.compression import SUPPORTED
from devenv.http.server.message import JSON, HttpRequest, Response, dumps
from devenv.http.server.router import Route
from devenv.immutable import immutable
from devenv.otlp import columns, json_requests, messages
from devenv.otlp.batches import Batch, batches, steps
from devenv.otlp.deep_values import DeepValues
from devenv.otlp.json_steps import JsonRequest
from devenv.otlp.wire import TooLarge, Undecodable

PROTOBUF = "application/x-protobuf"
# Codes of google.rpc.Status.
_INVALID_ARGUMENT = 3
_RESOURCE_EXHAUSTED = 8
_UNAVAILABLE = 14
# Unknown names are ignored, so a request of another kind or of an old version would be lost without a word.
_NO_SPANS = "no span found, expected resourceSpans[].scopeSpans[].spans[]: nothing was stored"
_EMPTY = b'{"resourceSpans": []}'
_REFUSED = (BodyTooLarge, UnknownEncoding, BadEncoding, Undecodable, TooLarge)


class Receiver:
    """The handlers: traces are stored, metrics and logs are counted and dropped.

    Args:
        store: receives the spans.
        large: the queues for large bodies.
    """

    def __init__(self, store: Store, large: LargeBodies) -> None:
        self._store = store
        self._large = large
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

    def traces(self, request: HttpRequest) -> Response | Awaitable[Response]:
        """Store the spans of one request: all of them, or none if a part cannot be decoded."""
        self.traces_posts += 1
        sent = self._sent(request)
        if isinstance(sent, Response):
            return sent
        try:
            body = self._large.small(request.body, sent.encoding, AT_ONCE if sent.encoded else AT_ONCE_JSON)
            if body is None:
                return self._in_turns(request, sent, self._store_in_turns)
            steps = [step for step in _Decoded(body, sent.encoded).steps() if step is not None]
            rejected, reasons = self._store_all(steps)
            if not steps and not sent.encoded and len(body) > len(_EMPTY):
                reasons.add(_NO_SPANS)
        except _REFUSED as error:
            return self._failed(error, sent.encoded)
        return _accepted(rejected, reasons, sent.encoded)

    def metrics(self, request: HttpRequest) -> Response | Awaitable[Response]:
        """Accept metrics, so that an exporter does not retry and warn; they are counted, not stored."""
        self.metrics_posts += 1
        return self._ignore(request)

    def logs(self, request: HttpRequest) -> Response | Awaitable[Response]:
        """Accept logs, like metrics."""
        self.logs_posts += 1
        return self._ignore(request)

    def _ignore(self, request: HttpRequest) -> Response | Awaitable[Response]:
        sent = self._sent(request)
        if isinstance(sent, Response):
            return sent
        try:
            body = self._large.small(request.body, sent.encoding, AT_ONCE if sent.encoded else AT_ONCE_JSON)
            if body is None:
                return self._in_turns(request, sent, _drop)
            if not sent.encoded:
                json_requests.parse(body)
        except _REFUSED as error:
            return self._failed(error, sent.encoded)
        return _accepted(0, set(), sent.encoded)

    def _sent(self, request: HttpRequest) -> _Sent | Response:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type not in {PROTOBUF, JSON}:
            self.refused_posts += 1
            return Response.text(f"415 unsupported media type, supported: [{PROTOBUF}, {JSON}]\n", 415)
        return _Sent(content_type == PROTOBUF, request.headers.get("content-encoding", "").strip().lower())

    async def _in_turns(
        self, request: HttpRequest, sent: _Sent, handle: Callable[[_Decoded], Awaitable[tuple[int, set[str]]]]
    ) -> Response:
        try:
            async with self._large.opened(request.body, sent.encoding) as body:
                rejected, reasons = await handle(_Decoded(body, sent.encoded))
        except _REFUSED as error:
            return self._failed(error, sent.encoded)
        except Busy:
            response = self._refuse(503, _UNAVAILABLE, "too many large requests at the same time", sent.encoded)
            response.headers = (("Retry-After", "1"),)
            return response
        return _accepted(rejected, reasons, sent.encoded)

    async def _store_in_turns(self, decoded: _Decoded) -> tuple[int, set[str]]:
        # A large body is read twice, to check all of it before any of it is stored. So at most one chunk of it is
        # decoded in memory, and other connections are served in between.
        rejected, reasons = 0, set[str]()
        turn = self._large.turns.start()
        for _ in decoded.steps():
            await turn.pause()
        for step in decoded.steps():
            if step is not None:
                more, why = self._store_all([step])
                rejected += more
                reasons |= why
            await turn.pause()
        return rejected, reasons

    def _store_all(self, items: list[tuple[Batch, columns.Columns]]) -> tuple[int, set[str]]:
        rejected = 0
        reasons = set()
        for batch, decoded in items:
            if decoded.rejected:
                reasons.add("spans without a valid ID, larger than 4 MiB, or with values nested too deep")
            refused = self._store.add(batch, decoded)
            if refused:
                reasons.add("a trace above the backend's size limit")
            rejected += decoded.rejected + refused
        return rejected, reasons

    def _failed(self, error: ValueError, encoded: bool) -> Response:
        if isinstance(error, BodyTooLarge | TooLarge):
            return self._refuse(413, _RESOURCE_EXHAUSTED, str(error), encoded)
        if isinstance(error, UnknownEncoding):
            response = self._refuse(415, _INVALID_ARGUMENT, str(error), encoded)
            response.headers = (("Accept-Encoding", SUPPORTED),)
            return response
        return self._refuse(400, _INVALID_ARGUMENT, str(error), encoded)

    def _refuse(self, status: int, code: int, message: str, encoded: bool) -> Response:
        self.refused_posts += 1
        if encoded:
            body = messages.RpcStatus(code=code, message=message.encode("utf-8", "replace")).SerializeToString()
            return Response(status, body, PROTOBUF)
        return Response(status, dumps({"code": code, "message": message}), JSON)


@immutable()
class _Sent:
    """How a request is sent: whether as protobuf, and its Content-Encoding."""

    encoded: bool
    encoding: str


class _Decoded:
    """A decompressed body."""

    def __init__(self, body: bytes, encoded: bool) -> None:
        self._body = body
        self._json = None if encoded else JsonRequest(body)

    def steps(self) -> Iterator[tuple[Batch, columns.Columns] | None]:
        """Yield its batches, checked and decoded, and None at each point where others may run; may be called again.

        Raises:
            Undecodable, TooLarge: If a part is not valid; raised at the first such part.
        """
        known = None
        deep = DeepValues()
        for batch in self._batches():
            if batch is None:
                yield None
                continue
            if (batch.resource, batch.scope) != known:
                parse(batch, deep)
                known = (batch.resource, batch.scope)
            yield batch, columns.decode(batch.spans)

    def _batches(self) -> Iterator[Batch | None]:
        if self._json is not None:
            return self._json.steps()
        return batches(self._body) if len(self._body) <= MEDIUM else steps(self._body)


async def _drop(decoded: _Decoded) -> tuple[int, set[str]]:  # noqa: ARG001 (metrics and logs are not decoded)
    return 0, set()


def _accepted(rejected: int, reasons: set[str], encoded: bool) -> Response:
    reason = "; ".join(sorted(reasons))
    if not rejected and not reason:
        return Response(200, b"", PROTOBUF) if encoded else Response(200, b"{}", JSON)
    if encoded:
        response = messages.ExportResponse()
        response.partial_success.rejected_spans = rejected
        response.partial_success.error_message = reason.encode()
        return Response(200, response.SerializeToString(), PROTOBUF)
    return Response(200, dumps({"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": reason}}), JSON)
