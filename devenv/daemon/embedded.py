"""The embedded trace backend as an instance: it replaces the stack's service of the role trace-backend."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING

from devenv.disk import make_state_directory, remove_file, replace_file
from devenv.model.state import State
from devenv.otlp.backend_ports import HEALTH_PORT, OTLP_GRPC_PORT, OTLP_HTTP_PORT, QUERY_PORT, SAMPLING_PORT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from devenv.backend import Backend
    from devenv.engine.process.launch import Launch

HEADER_FILE = "authorization"
"""In ``.devenv/``, for `curl -H @.devenv/authorization`: the token is then in no list of processes."""


class EmbeddedBackend:
    """Starts and stops the backend in the daemon's own process; has the fields of a supervised process.

    Args:
        launch: its ports are Jaeger's.
        ports: port on this machine by Jaeger's port.
        notify: called after each change.
        directory: the project's ``.devenv/``, for the header with the token of a closed one.
    """

    def __init__(
        self,
        launch: Launch,
        ports: Mapping[int, int],
        notify: Callable[[EmbeddedBackend, str], None],
        directory: Path,
    ) -> None:
        self.launch = launch
        self._ports = dict(ports)
        self._notify = notify
        self._backend: Backend | None = None
        self._header = directory / HEADER_FILE
        self.storage = directory / launch.storage.path if launch.storage else None
        self.token = ""
        self.state = State.CREATED
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
            PortTaken: If one of them is in use.
            EnvironmentFailure: If the file with the token's header cannot be written, or the traces on disk cannot be
                read.
        """
        if self._backend is not None:
            return
        token = secrets.token_urlsafe(32) if self.launch.access == "token" else ""
        from devenv.backend import EmbeddedSettings, serve
        from devenv.backend.settings import StorageSettings
        from devenv.dashboard.pages import page_routes

        folder, kept = self.storage, self.launch.storage
        settings = EmbeddedSettings(
            otlp_port=self._ports[OTLP_HTTP_PORT],
            grpc_port=self._ports[OTLP_GRPC_PORT],
            query_port=self._ports[QUERY_PORT],
            health_port=self._ports[HEALTH_PORT],
            pages=page_routes,
            token=token,
            cors_origins=self.launch.cors_origins,
            storage=StorageSettings(folder, kept.max_bytes, kept.max_age) if kept and folder else None,
            sampling_port=self._ports[SAMPLING_PORT] if self.launch.strategies else None,
            strategies=self.launch.strategies,
        )
        if token:
            make_state_directory(self._header.parent)
            remove_file(self._header)  # its mode would stay
            replace_file(self._header, f"Authorization: Bearer {token}\n".encode(), durable=False, mode=0o600)
        self._backend = await serve(settings)
        self.token = token
        self.ended.clear()
        self.state, self.started_at, self.finished_at, self.exit_code = State.RUNNING, time.time(), None, None
        self._notify(self, "start")

    @property
    def storage_notices(self) -> tuple[str, ...]:
        """What is wrong with the traces on disk."""
        return self._backend.storage_notices if self._backend is not None else ()

    async def stop(self, grace: float | None) -> None:
        """Free its ports, without waiting: ``grace`` is not used."""
        del grace
        if self._backend is None:
            return
        await self._backend.close()
        self._backend = None
        if self.token:
            self.token = ""
            remove_file(self._header)
        self.state, self.exit_code, self.finished_at = State.EXITED, 0, time.time()
        self.ended.set()
        self._notify(self, "die")

    def kill(self, name: str) -> None:
        """No signal reaches it: it shares the daemon's process."""
