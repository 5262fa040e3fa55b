"""Sends encoded batches to an OTLP/HTTP receiver over one kept connection, with bounded retries.

Rules of retrying: https://opentelemetry.io/docs/specs/otlp/#otlphttp-response. Uses http.client rather than the
OpenTelemetry exporter's client: that one costs 100 ms of import and 10 MB, and instrumentation may trace it.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from random import random
from time import monotonic, time
from urllib.parse import urlsplit

from devenv.tracing.export.json_encoding import as_json
from devenv.tracing.export.signal import SPANS, Signal
from devenv.tracing.export.wire import read_fields
from devenv.tracing.process.versions import SLOTS
from devenv.tracing.settings import Settings

_log = logging.getLogger(__name__)

RETRIED = frozenset({429, 502, 503, 504})
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_LARGEST_ANSWER = 1 << 20
_WARN_EVERY_S = 60.0
_RECEIVER_STARTS_S = 10.0
_STARTING = "DEVENV_TRACING_RECEIVER"
"""`starting`: `devenv up` starts the receiver, too, maybe after the program. Not set if the endpoint is the user's."""

_REJECTED = ("rejectedSpans", "rejectedLogRecords", "rejectedDataPoints")


@dataclass(frozen=True, **SLOTS)
class Outcome:
    """The result of a batch: the number of rejected spans (all, if the receiver was not reached) and why."""

    rejected: int
    reason: str = ""


class Transport:
    """The connection to one receiver.

    Args:
        settings: Endpoint, headers, timeouts, compression, certificates.
        pause: Waits for a time in seconds; returns True if it was interrupted because the process shuts down.
        signal: What is exported.
    """

    def __init__(self, settings: Settings, pause: Callable[[float], bool], signal: Signal = SPANS) -> None:
        self._settings = settings
        self._signal = signal
        self._pause = pause
        parts = urlsplit(settings.endpoint)
        self._https = parts.scheme == "https"
        self._host = parts.hostname or "localhost"
        self._port = parts.port or (443 if self._https else 80)
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._headers = _headers(settings)
        self._connection: http.client.HTTPConnection | None = None
        self._warned_at = float("-inf")
        self._silent_until = float("-inf")
        if os.environ.get(_STARTING) == "starting":
            self._silent_until = monotonic() + _RECEIVER_STARTS_S

    def send(self, body: bytes, spans: int, deadline: float) -> Outcome:
        """Deliver a batch, retrying until the deadline (`time.monotonic`) if the receiver may recover.

        The first failed attempt is logged at once, at most once per minute: the deadline may be far, and the user may
        be missing spans now. While `devenv up` starts the receiver beside the program, no failed attempt is logged.
        """
        if self._settings.protocol == "http/json":
            body = as_json(body, self._signal.message)
        if self._settings.compression == "gzip":
            import gzip  # takes a millisecond; some Pythons are built without zlib

            body = gzip.compress(body, 4)
        pause = _FIRST_PAUSE_S
        while True:
            try:
                status, headers, answer = self._post(body, deadline)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                reason, wait = f"{type(error).__name__}: {error}", None
            else:
                if 200 <= status < 300:
                    return _rejected_by_json(answer) if self._settings.protocol == "http/json" else rejected_by(answer)
                reason, wait = f"HTTP {status}", _retry_after(headers)
                if status not in RETRIED:
                    return Outcome(spans, reason + self._hint(status))
            delay = wait if wait is not None else pause * (0.5 + random() / 2)  # noqa: S311 - jitter, not a secret
            pause = min(pause * 2, _LONGEST_PAUSE_S)
            if monotonic() + delay >= deadline or self._pause(0):
                return Outcome(spans, reason)
            self._warn(spans, reason, deadline)
            if self._pause(delay):
                return Outcome(spans, reason)

    def close(self) -> None:
        """Close the connection, if any."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _warn(self, spans: int, reason: str, deadline: float) -> None:
        now = monotonic()
        if self._signal.patient or now < self._silent_until or now - self._warned_at < _WARN_EVERY_S:
            return
        self._warned_at = now
        _log.warning(
            "export failed: %d %s not delivered to %s (%s); retrying for up to %.0f s",
            spans,
            self._signal.items,
            self._settings.receiver,
            reason,
            deadline - now,
        )

    def _hint(self, status: int) -> str:
        """Return the remedy for a rejection, if known."""
        if status == http.client.NOT_FOUND and self._path == "/":
            return f"; OTEL_EXPORTER_OTLP_{self._signal.variable}_ENDPOINT must end in {self._signal.path}"
        return ""

    def _post(self, body: bytes, deadline: float) -> tuple[int, Mapping[str, str], bytes]:
        timeout = max(0.001, min(self._settings.timeout_s, deadline - monotonic()))
        fresh = self._connection is None
        connection = self._connection or self._connect(timeout)
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        try:
            return self._exchange(connection, body)
        except (http.client.RemoteDisconnected, ConnectionError):
            if fresh:
                raise
            # The receiver closed a kept connection while it was idle; it may still be healthy.
            self.close()
            return self._exchange(self._connect(timeout), body)

    def _exchange(self, connection: http.client.HTTPConnection, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        connection.request("POST", self._path, body, self._headers)
        response = connection.getresponse()
        answer = response.read(_LARGEST_ANSWER)
        headers = {name.lower(): value for name, value in response.getheaders()}
        if response.will_close or not response.isclosed():
            self.close()
        return response.status, headers, answer

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        if self._https:
            try:
                import ssl  # takes milliseconds; a Python that is built without it reaches receivers that need none
            except ImportError as error:
                raise OSError(f"this Python has no TLS, which {self._settings.receiver} needs: {error}") from error
            context = ssl.create_default_context(cafile=self._settings.certificate)
            if self._settings.client_certificate:
                context.load_cert_chain(self._settings.client_certificate, self._settings.client_key)
            self._connection = http.client.HTTPSConnection(self._host, self._port, timeout=timeout, context=context)
        else:
            self._connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        return self._connection


def _headers(settings: Settings) -> dict[str, str]:
    kind = "application/json" if settings.protocol == "http/json" else "application/x-protobuf"
    headers = {"Content-Type": kind, "User-Agent": "devenv-tracing"}
    if settings.compression == "gzip":
        headers["Content-Encoding"] = "gzip"
    return headers | dict(settings.headers)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the delay in seconds of Retry-After (RFC 9110, 10.2.3), None without a valid one."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time())
    except (ValueError, TypeError):
        return None


def rejected_by(answer: bytes) -> Outcome:
    """Return the rejected spans of a response (partial_success = 1: rejected_spans = 1, message = 2)."""
    try:
        partial = dict(read_fields(answer)).get(1) if answer else None
        fields = dict(read_fields(partial)) if isinstance(partial, bytes) else {}
    except ValueError:
        _log.debug("the receiver's answer is not OTLP: %r", answer[:100])
        return Outcome(0)
    rejected, message = fields.get(1, 0), fields.get(2, b"")
    reason = message.decode("utf-8", "replace") if isinstance(message, bytes) else ""
    return Outcome(rejected if isinstance(rejected, int) else 0, reason)


def _rejected_by_json(answer: bytes) -> Outcome:
    """Return the same for a response in JSON."""
    try:
        partial = json.loads(answer or b"{}").get("partialSuccess") or {}
        rejected = next((partial[name] for name in _REJECTED if partial.get(name)), 0)
        return Outcome(int(rejected), str(partial.get("errorMessage") or ""))
    except (ValueError, TypeError, AttributeError):
        _log.debug("the receiver's answer is not OTLP: %r", answer[:100])
        return Outcome(0)
