"""The whole backend: store, receiver, query APIs and health, on Jaeger's ports."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from time import time, time_ns
from typing import Any

from devenv.backend.access import Access, ClosedRouter
from devenv.backend.api.analysis_api import AnalysisApi
from devenv.backend.api.devenv_api import DevenvApi
from devenv.backend.api.envelopes import unknown_path
from devenv.backend.api.legacy_api import LegacyApi
from devenv.backend.api.logs_api import LogsApi
from devenv.backend.api.metrics_api import MetricsApi
from devenv.backend.api.sampling_api import SamplingApi
from devenv.backend.api.series_api import SeriesApi
from devenv.backend.api.v3_api import V3Api
from devenv.backend.large_bodies import LargeBodies
from devenv.backend.logs.store import LogStore
from devenv.backend.metrics.store import MetricStore
from devenv.backend.query.source import StoreSource
from devenv.backend.receiver import Receiver
from devenv.backend.rpc.export_server import ExportServer
from devenv.backend.rpc.forwarding import Forwarding, http_router
from devenv.backend.runtime import Runtime
from devenv.backend.settings import EmbeddedSettings
from devenv.backend.storage.opening import Storage
from devenv.backend.store.figures import figures
from devenv.backend.store.store import Store
from devenv.http.browser_origins import LOOPBACK_ORIGINS, BrowserOrigins
from devenv.http.server import Capacity, Guard, HttpRequest, Listener, Response, Route, Router
from devenv.http.server.cors import CorsRouter


class Backend:
    """A running backend, started by :func:`serve` and stopped by :meth:`close`."""

    def __init__(self, settings: EmbeddedSettings) -> None:
        self.settings = settings
        self.store = Store(settings.max_bytes)
        self.logs = LogStore(settings.max_log_bytes)
        self._storage: Storage | None = None
        self._runtime = Runtime()
        self._expiry: asyncio.TimerHandle | None = None
        self.metrics = MetricStore(time_ns)
        capacity = Capacity(settings.limits)
        self._turns = capacity.turns
        self._large = LargeBodies(capacity.budget, settings.limits.body_bytes, self._turns)
        self._receiver = Receiver(self.store, self._large, self.logs, self.metrics)
        self._started = time()
        guard = Guard((settings.host, *settings.host_names))
        origins = BrowserOrigins((*LOOPBACK_ORIGINS, *settings.cors_origins))
        self._otlp = Listener(
            CorsRouter(self._receiver.routes(), origins),
            Guard((settings.host, *settings.host_names), origins),
            settings.limits,
            capacity,
        )
        sampling = SamplingApi(settings.strategies)
        routes = [*self._receiver.routes(), *sampling.calls()]
        self._exports = exports = ExportServer(routes, capacity, settings.limits)
        self._grpc = Listener(
            http_router(lambda: self.otlp_port),
            guard,
            settings.limits,
            capacity,
            connection=lambda listener: Forwarding(listener, exports),
        )
        self._query = Listener(self._query_router(), guard, settings.limits, capacity)
        self._health = Listener(Router(_health_routes()), guard, settings.limits, capacity, urgent=True)
        self._sampling = Listener(
            Router(sampling.routes()),
            guard,
            settings.limits,
            capacity,
            connection=lambda listener: Forwarding(listener, exports),
        )

    def _query_router(self) -> Router:
        if not self.settings.token:
            return Router(self._query_routes(), unknown_path)
        access = Access(self.settings.token, f"devenv-{self.settings.query_port}")
        return ClosedRouter(self._query_routes(), access)

    def _query_routes(self) -> list[Route]:
        routes = [
            *LegacyApi(self.store, time_ns, self._large).routes(),
            *MetricsApi(self.store, time_ns, self._turns).routes(),
            *AnalysisApi(self.store, time_ns, self._turns).routes(),
            *V3Api(self.store, self._turns).routes(),
            *SeriesApi(self.metrics, self.store, time_ns, self._turns).routes(),
            *LogsApi(self.logs, self._turns).routes(),
            *DevenvApi(self.store, self._turns, self.stats).routes(),
        ]
        if self.settings.pages is not None:
            routes += self.settings.pages(StoreSource(self.store, self._turns, self.logs))
        return routes

    async def open(self) -> None:
        """Read the traces and log records on disk, if some are kept, and bind all ports, or none.

        Raises:
            PortTaken: If one of them is in use.
            LockHeld, ConfigurationError, EnvironmentFailure: See :class:`~devenv.backend.storage.opening.Storage`.
        """
        settings = self.settings
        async with AsyncExitStack() as opened:
            if settings.storage is not None:
                self._storage = Storage(settings.storage, self.store, self.logs)
                opened.callback(self._storage.close)
                turn = self._turns.start()
                for _ in self._storage.steps():
                    await turn.pause()
            for listener, port in (
                (self._otlp, settings.otlp_port),
                (self._grpc, settings.grpc_port),
                (self._query, settings.query_port),
                (self._health, settings.health_port),
                (self._sampling, settings.sampling_port),
            ):
                if port is not None:
                    await listener.open(settings.host, port)
                    opened.push_async_callback(listener.close)
            opened.pop_all()
        # A callback runs after the answers of this iteration are written.
        self.store.later = asyncio.get_running_loop().call_soon
        self._runtime.begin()
        self._expire()

    def _expire(self) -> None:
        if self._storage is not None and self.settings.storage is not None:
            self._storage.expire()
            seconds = self.settings.storage.expiry_seconds
            self._expiry = asyncio.get_running_loop().call_later(seconds, self._expire)

    @property
    def otlp_port(self) -> int:
        """The receiver's port."""
        return self._otlp.port

    @property
    def grpc_port(self) -> int:
        """The port of OTLP over gRPC; 0 if it is not served."""
        return self._grpc.port

    @property
    def query_port(self) -> int:
        """The port of query APIs and pages."""
        return self._query.port

    @property
    def health_port(self) -> int:
        """The port of ``/status``; 0 if it is not served."""
        return self._health.port

    @property
    def sampling_port(self) -> int:
        """The port of remote sampling; 0 if it is not served."""
        return self._sampling.port

    def stats(self) -> dict[str, Any]:
        """Return what was received, stored and evicted; rates are spans per second over the last 10 s."""
        receiver = self._receiver
        return {
            **figures(self.store),
            "posts": {
                "traces": receiver.traces_posts,
                "metrics": receiver.metrics_posts,
                "logs": receiver.logs_posts,
                "refused": receiver.refused_posts,
            },
            "logs": self.logs.figures(),
            "metrics": self.metrics.figures(),
            "started": self._started,
            "storage": self._storage.figures() if self._storage is not None else None,
        }

    @property
    def storage_notices(self) -> tuple[str, ...]:
        """What is wrong with the traces on disk: damage that was found, and why nothing is written any more."""
        return self._storage.notices if self._storage is not None else ()

    @property
    def restored_spans(self) -> int:
        """Number of the spans that were on disk."""
        return self._storage.restored if self._storage is not None else 0

    @property
    def restored_logs(self) -> int:
        """Number of the log records that were on disk."""
        return self._storage.restored_logs if self._storage is not None else 0

    async def close(self) -> None:
        """Release the ports, close all connections, and write what the storage has not written yet."""
        self._runtime.end()
        await self._exports.close()
        for listener in (self._otlp, self._grpc, self._query, self._health, self._sampling):
            await listener.close()
        if self._expiry is not None:
            self._expiry.cancel()
        if self._storage is not None:
            self._storage.close()
            self._storage = None


async def serve(settings: EmbeddedSettings) -> Backend:
    """Start a backend on the running loop.

    Raises:
        PortTaken: If one of its ports is in use; then it binds none.
        LockHeld, ConfigurationError, EnvironmentFailure: If its storage cannot be opened.
    """
    backend = Backend(settings)
    await backend.open()
    return backend


def _health_routes() -> list[Route]:
    def status(request: HttpRequest) -> Response:  # noqa: ARG001 (the handler's signature)
        return Response.json({"status": "StatusOK", "healthy": True})

    return [Route("GET", "/status", status), Route("GET", "/", status)]
