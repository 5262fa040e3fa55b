"""The embedded trace backend as an instance: it stands where the stack has its service of the role trace-backend."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from devenv.daemon.addresses import LOOPBACK
from devenv.engine.ports import is_free

if TYPE_CHECKING:
    from collections.abc import Callable

    from devenv.backend import Backend
    from devenv.model.launch import Launch

QUERY_PORT = 16686
OTLP_HTTP_PORT = 4318
HEALTH_PORT = 13133


class EmbeddedBackend:
    """Starts and stops the backend in the daemon's own process; has the fields of a supervised process.

    Args:
        launch: its ports are Jaeger's, published where the stack file publishes them.
        notify: called after each change.
    """

    def __init__(self, launch: Launch, notify: Callable[[EmbeddedBackend, str], None]) -> None:
        self.launch = launch
        self._notify = notify
        self._backend: Backend | None = None
        self.state = "created"
        self.exit_code: int | None = None
        self.error = ""
        self.restarts = 0
        self.started_at: float | None = None
        self.finished_at: float | None = None
        self.pid = 0
        self.ended = asyncio.Event()

    async def start(self) -> None:
        """Bind its ports.

        Raises:
            PortTaken: one that is published is in use. The health port, which nobody published, moves aside.
        """
        if self._backend is not None:
            return
        from devenv.backend import BackendSettings, serve
        from devenv.dashboard.pages import page_routes

        health = self._published(HEALTH_PORT) or (HEALTH_PORT if is_free(LOOPBACK, HEALTH_PORT) else 0)
        settings = BackendSettings(
            otlp_port=self._published(OTLP_HTTP_PORT) or OTLP_HTTP_PORT,
            query_port=self._published(QUERY_PORT) or QUERY_PORT,
            health_port=health,
            pages=page_routes,
        )
        self._backend = await serve(settings)
        self.ended.clear()
        self.state, self.started_at, self.finished_at, self.exit_code = "running", time.time(), None, None
        self._notify(self, "start")

    async def stop(self, grace: float | None) -> None:
        """Free its ports; ``grace`` has no meaning here."""
        del grace
        if self._backend is None:
            return
        await self._backend.close()
        self._backend = None
        self.state, self.exit_code, self.finished_at = "exited", 0, time.time()
        self.ended.set()
        self._notify(self, "die")

    def kill(self, name: str) -> None:
        """No signal reaches it: it shares the daemon's process."""

    def ports(self) -> dict[int, int]:
        """Port on this machine by Jaeger's port."""
        if self._backend is None:
            return {port.container: port.host for port in self.launch.ports if port.host is not None}
        found = {QUERY_PORT: self._backend.query_port, OTLP_HTTP_PORT: self._backend.otlp_port}
        if self._backend.health_port:
            found[HEALTH_PORT] = self._backend.health_port
        return found

    def _published(self, container: int) -> int | None:
        for port in self.launch.ports:
            if port.container == container and port.host is not None:
                return port.host
        return None
