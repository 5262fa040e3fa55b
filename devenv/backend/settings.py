"""What a backend is to be like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from devenv.http.server.limits import Limits
from devenv.http.server.router import Route
from devenv.otlp.backend_ports import HEALTH_PORT, OTLP_HTTP_PORT, QUERY_PORT
from devenv.traces.source import TraceSource

Pages = Callable[[TraceSource], Sequence[Route]]


@dataclass(frozen=True, slots=True)
class BackendSettings:
    """Addresses and bounds. A port of 0 takes a free one; None leaves that listener out.

    Attributes:
        max_bytes: memory for traces; beyond it whole traces are evicted, the largest service's oldest first.
        pages: called with the source of traces; returns the routes that the query port serves beside the APIs.
        host_names: names beside the loopback ones under which the backend may be asked.
    """

    host: str = "127.0.0.1"
    otlp_port: int = OTLP_HTTP_PORT
    query_port: int = QUERY_PORT
    health_port: int | None = HEALTH_PORT
    max_bytes: int = 256 * 1024 * 1024
    pages: Pages | None = None
    host_names: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
