"""Sends encoded batches over OTLP/gRPC, if `grpcio` is installed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from random import random
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from devenv.tracing.context.ambient import attach, detach
from devenv.tracing.context.suppression import silent
from devenv.tracing.export.signal import SPANS, Signal
from devenv.tracing.export.transport import Outcome, rejected_by
from devenv.tracing.settings import Settings

_log = logging.getLogger(__name__)

_DEFAULT_PORT = 4317
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
_RETRIED = frozenset(
    {"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS", "RESOURCE_EXHAUSTED"}
)


class NoGrpc:
    """Delivers nothing, because `grpcio` is not installed; says so once, and every item counts as failed."""

    REASON = "OTEL_EXPORTER_OTLP_PROTOCOL=grpc needs grpcio, which is not installed"

    def __init__(self, signal: Signal = SPANS) -> None:
        _log.error("no %s is exported: %s (hint: pip install grpcio, or use http/protobuf)", signal.item, self.REASON)

    def send(self, body: bytes, spans: int, deadline: float) -> Outcome:  # noqa: ARG002 - the sender's interface
        """Deliver nothing."""
        return Outcome(spans, self.REASON)

    def close(self) -> None:
        """Close nothing."""


class GrpcTransport:
    """The channel to one receiver.

    Args:
        settings: Endpoint, headers, timeouts, compression, certificates.
        pause: Waits for a time in seconds; returns True if it was interrupted because the process shuts down.
        signal: What is exported.
    """

    def __init__(self, settings: Settings, pause: Callable[[float], bool], signal: Signal = SPANS) -> None:
        self._method = f"/{signal.service}/Export"
        self._settings = settings
        self._pause = pause
        self._channel: Any = None

    def send(self, body: bytes, spans: int, deadline: float) -> Outcome:
        """Deliver a batch, retrying until the deadline (`time.monotonic`) if the receiver may recover."""
        grpc: Any = import_module("grpc")  # optional
        token = attach(silent())  # or the export would have a span, which would be exported, and so on
        try:
            return self._deliver(grpc, body, spans, deadline)
        finally:
            detach(token)

    def _deliver(self, grpc: Any, body: bytes, spans: int, deadline: float) -> Outcome:
        pause = _FIRST_PAUSE_S
        while True:
            timeout = max(0.001, min(self._settings.timeout_s, deadline - monotonic()))
            try:
                answer = self._export(grpc)(body, timeout=timeout, metadata=self._metadata())
            except grpc.RpcError as error:
                code = error.code().name
                reason = f"gRPC {code}: {error.details() or ''}".rstrip(": ")
            else:
                return rejected_by(answer)
            delay = pause * (0.5 + random() / 2)  # noqa: S311 - jitter, not a secret
            pause = min(pause * 2, _LONGEST_PAUSE_S)
            if code not in _RETRIED or monotonic() + delay >= deadline or self._pause(delay):
                return Outcome(spans, reason)

    def close(self) -> None:
        """Close the channel, if any."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _export(self, grpc: Any) -> Callable[..., bytes]:
        if self._channel is None:
            self._channel = self._connect(grpc)
        call: Callable[..., bytes] = self._channel.unary_unary(self._method)
        return call

    def _connect(self, grpc: Any) -> Any:
        settings = self._settings
        parts = urlsplit(settings.endpoint)
        default = settings.origin("exporter.endpoint") == "default"
        host, port = parts.hostname or "localhost", None if default else parts.port
        target = f"[{host}]:{port or _DEFAULT_PORT}" if ":" in host else f"{host}:{port or _DEFAULT_PORT}"
        compression = grpc.Compression.Gzip if settings.compression == "gzip" else grpc.Compression.NoCompression
        if parts.scheme != "https":
            return grpc.insecure_channel(target, compression=compression)
        credentials = grpc.ssl_channel_credentials(
            _read(settings.certificate), _read(settings.client_key), _read(settings.client_certificate)
        )
        return grpc.secure_channel(target, credentials, compression=compression)

    def _metadata(self) -> list[tuple[str, str]]:
        return [(name.lower(), value) for name, value in self._settings.headers.items()]


def has_grpc() -> bool:
    """Return whether `grpcio` is installed."""
    return find_spec("grpc") is not None


def _read(path: str | None) -> bytes | None:
    return Path(path).read_bytes() if path else None
