"""Settings of the embedded trace backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field

from devenv.http.server.limits import Limits
from devenv.http.server.router import Route
from devenv.immutable import immutable
from devenv.otlp.backend_ports import HEALTH_PORT, OTLP_HTTP_PORT, QUERY_PORT
from devenv.traces.source import TraceSource

Pages = Callable[[TraceSource], Sequence[Route]]


@immutable()
class EmbeddedSettings:
    """Addresses and limits. Port 0 selects a free one; None omits that listener.

    Attributes:
        max_bytes: memory for traces; above it, whole traces are evicted, the oldest of the largest service first.
        max_log_bytes: memory for log records; above it, the oldest of the largest service are evicted.
        pages: called with the source of traces; returns the routes that the query port serves in addition to the APIs.
        host_names: accepted host names, in addition to the loopback ones.
        grpc_port: of OTLP over gRPC.
        cors_origins: whose pages may send OTLP over HTTP, in addition to those of loopback; patterns as
            :mod:`devenv.http.browser_origins` has them.
        token: what readers of the query APIs and pages must send; empty: they are open to every user of this machine.
    """

    host: str = "127.0.0.1"
    otlp_port: int = OTLP_HTTP_PORT
    query_port: int = QUERY_PORT
    health_port: int | None = HEALTH_PORT
    max_bytes: int = 256 * 1024 * 1024
    pages: Pages | None = None
    host_names: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    token: str = field(default="", repr=False)
    grpc_port: int | None = None
    cors_origins: tuple[str, ...] = ()
    max_log_bytes: int = 32 * 1024 * 1024
