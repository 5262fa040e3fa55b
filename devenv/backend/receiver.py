"""The OTLP/HTTP receiver.

Rules: https://opentelemetry.io/docs/specs/otlp/#otlphttp-request and -response.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from devenv.backend.large_bodies import AT_ONCE, AT_ONCE_JSON, Busy, LargeBodies
from devenv.backend.logs import checked_records
from devenv.backend.logs.store import LogStore
from devenv.backend.metrics import checked_metrics
from devenv.backend.metrics.store import MetricStore
from devenv.backend.signals import Body, Checked, Signal, SignalTexts
from devenv.backend.store.store import Store
from devenv.http.server.body_errors import BadEncoding, BodyTooLarge, UnknownEncoding
from devenv.http.server.compression import SUPPORTED
from devenv.http.server.message import JSON, HttpRequest, Response, dumps
from devenv.http.server.router import Route
from devenv.immutable import immutable
from devenv.otlp import columns, messages
from devenv.otlp.json_logs import LOGS
from devenv.otlp.json_metrics import METRICS
from devenv.otlp.json_requests import SPANS
from devenv.otlp.wire import TooLarge, Undecodable

C = TypeVar("C", bound=Checked)

PROTOBUF = "application/x-protobuf"
# Codes of google.rpc.Status.
_INVALID_ARGUMENT = 3
_RESOURCE_EXHAUSTED = 8
_UNAVAILABLE = 14
# Bytes of `{"resourceSpans": []}`.
_EMPTY = 21
# Unknown names are ignored, so a request of another kind or of an old version would be lost without a word.
_SPAN_TEXTS = SignalTexts(
    rejected="rejectedSpans",
    unusable="spans without a valid ID, larger than 4 MiB, or with values nested too deep",
    refused="a trace above the backend's size limit",
    nothing="no span found, expected resourceSpans[].scopeSpans[].spans[]: nothing was stored",
)
_LOG_TEXTS = SignalTexts(
    rejected="rejectedLogRecords",
    unusable="log records that are empty, larger than 1 MiB, or with values nested too deep",
    refused="a log record above the backend's size limit",
    nothing="no log record found, expected resourceLogs[].scopeLogs[].logRecords[]: nothing was stored",
)
_METRIC_TEXTS = SignalTexts(
    rejected="rejectedDataPoints",
    unusable="data points without a value, of a metric without a name or temporality or larger than 1 MiB, or with "
    "bounds that do not fit their buckets; /api/devenv/metrics has the reasons",
    refused="data points of more series than the backend keeps, or older than the newest ones of their series",
    nothing="no metric found, expected resourceMetrics[].scopeMetrics[].metrics[]: nothing was stored",
)
# A data point takes ten times as long as a span of the same size.
_METRICS_AT_ONCE = 16 * 1024
_REFUSED = (BodyTooLarge, UnknownEncoding, BadEncoding, Undecodable, TooLarge)


class Receiver:
    """The handlers: traces, logs and metrics are stored.

    Args:
        store: receives the spans.
        large: the queues for large bodies.
        logs: receives the log records.
        metrics: receives the data points.
    """

    def __init__(self, store: Store, large: LargeBodies, logs: LogStore, metrics: MetricStore) -> None:
        self._large = large
        self._spans = Signal(SPANS, columns.decode, store.add, _SPAN_TEXTS)
        self._logs = Signal(LOGS, checked_records.check, logs.add, _LOG_TEXTS)
        self._metrics = Signal(METRICS, checked_metrics.check, metrics.add, _METRIC_TEXTS, _METRICS_AT_ONCE)
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
        return self._take(request, self._spans)

    def logs(self, request: HttpRequest) -> Response | Awaitable[Response]:
        """Store the log records of one request: all of them, or none if a part cannot be decoded."""
        self.logs_posts += 1
        return self._take(request, self._logs)

    def metrics(self, request: HttpRequest) -> Response | Awaitable[Response]:
        """Store the data points of one request: all usable ones, or none if a part cannot be decoded."""
        self.metrics_posts += 1
        return self._take(request, self._metrics)

    def _take(self, request: HttpRequest, signal: Signal[C]) -> Response | Awaitable[Response]:
        sent = self._sent(request)
        if isinstance(sent, Response):
            return sent
        try:
            most = min(AT_ONCE if sent.encoded else AT_ONCE_JSON, signal.at_once)
            body = self._large.small(request.body, sent.encoding, most)
            if body is None:
                return self._in_turns(request, sent, signal)
            steps = [step for step in Body(body, signal, encoded=sent.encoded).steps() if step is not None]
            rejected, reasons = signal.store(steps)
            if not steps and not sent.encoded and len(body) > _EMPTY:
                reasons.add(signal.texts.nothing)
        except _REFUSED as error:
            return self._failed(error, sent.encoded)
        return _accepted(rejected, reasons, sent.encoded, signal.texts.rejected)

    def _sent(self, request: HttpRequest) -> _Sent | Response:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type not in {PROTOBUF, JSON}:
            self.refused_posts += 1
            return Response.text(f"415 unsupported media type, supported: [{PROTOBUF}, {JSON}]\n", 415)
        return _Sent(content_type == PROTOBUF, request.headers.get("content-encoding", "").strip().lower())

    async def _in_turns(self, request: HttpRequest, sent: _Sent, signal: Signal[C]) -> Response:
        try:
            async with self._large.opened(request.body, sent.encoding) as body:
                rejected, reasons = await self._store_in_turns(Body(body, signal, encoded=sent.encoded), signal)
        except _REFUSED as error:
            return self._failed(error, sent.encoded)
        except Busy:
            response = self._refuse(503, _UNAVAILABLE, "too many large requests at the same time", sent.encoded)
            response.headers = (("Retry-After", "1"),)
            return response
        return _accepted(rejected, reasons, sent.encoded, signal.texts.rejected)

    async def _store_in_turns(self, body: Body[C], signal: Signal[C]) -> tuple[int, set[str]]:
        # A large body is read twice, to check all of it before any of it is stored. So at most one chunk of it is
        # decoded in memory, and other connections are served in between.
        rejected, reasons = 0, set[str]()
        turn = self._large.turns.start()
        for _ in body.steps():
            await turn.pause()
        for step in body.steps():
            if step is not None:
                more, why = signal.store([step])
                rejected += more
                reasons |= why
            await turn.pause()
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


def _accepted(rejected: int, reasons: set[str], encoded: bool, name: str) -> Response:
    reason = "; ".join(sorted(reasons))
    if not rejected and not reason:
        return Response(200, b"", PROTOBUF) if encoded else Response(200, b"{}", JSON)
    if encoded:
        response = messages.ExportResponse()
        response.partial_success.rejected_spans = rejected
        response.partial_success.error_message = reason.encode()
        return Response(200, response.SerializeToString(), PROTOBUF)
    return Response(200, dumps({"partialSuccess": {name: str(rejected), "errorMessage": reason}}), JSON)
