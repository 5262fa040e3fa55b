"""Settings of the embedded trace backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from devenv.http.server.limits import Limits
from devenv.http.server.router import Route
from devenv.immutable import immutable
from devenv.otlp.backend_ports import HEALTH_PORT, OTLP_HTTP_PORT, QUERY_PORT
from devenv.traces.source import TraceSource

Pages = Callable[[TraceSource], Sequence[Route]]

MIB = 1024 * 1024
_PARTS = 16


@immutable()
class StorageSettings:
    """A folder that keeps the traces, and its limits.

    Attributes:
        directory: of devenv alone; created if it is missing.
        max_bytes: of its files; above it, the oldest traces are removed from it.
        max_age: seconds after which traces and log records are removed from it and from memory, at most a tenth later.
    """

    directory: Path
    max_bytes: int = 512 * MIB
    max_age: float = 30 * 86400.0

    @property
    def segment_bytes(self) -> int:
        """Size from which a new file is begun."""
        return min(16 * MIB, self.max_bytes // _PARTS)

    @property
    def segment_seconds(self) -> float:
        """Age from which a new file is begun."""
        return self.max_age / _PARTS

    @property
    def expiry_seconds(self) -> float:
        """Time between two removals of what is too old."""
        return min(60.0, self.segment_seconds / 4)


@immutable()
class EmbeddedSettings:
    """Addresses and limits. Port 0 selects a free one; None omits that listener.

    Attributes:
        max_bytes: memory for traces; above it, whole traces are evicted, the oldest of the largest service first.
        max_log_bytes: memory for log records; above it, the oldest of the largest service are evicted.
        pages: called with the source of traces; returns the routes that the query port serves in addition to the APIs.
        host_names: accepted host names, in addition to the loopback ones.
        grpc_port: of OTLP over gRPC.
        storage: what keeps the traces after the process has ended; None: nothing does.
        cors_origins: whose pages may send OTLP over HTTP, in addition to those of loopback; patterns as
            :mod:`devenv.http.browser_origins` has them.
        sampling_port: of remote sampling.
        strategies: its answers, as :mod:`devenv.contract.sampling_strategies` makes them.
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
    sampling_port: int | None = None
    strategies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    max_log_bytes: int = 32 * MIB
    storage: StorageSettings | None = None
