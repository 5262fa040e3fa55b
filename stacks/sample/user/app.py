"""User's application; ``python -m user.app`` serves it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from chassis.config import Config
from chassis.server import application, serve
from user import endpoints
from user.audit import AuditLog
from user.store import Store

_ROUTES: list[BaseRoute] = [
    Route("/users", endpoints.list_accounts, methods=["GET"]),
    Route("/users", endpoints.create_account, methods=["POST"]),
    Route("/users/{id}", endpoints.read_account, methods=["GET"]),
    Route("/users/{id}", endpoints.change_account, methods=["PATCH"]),
    Route("/users/{id}", endpoints.remove_account, methods=["DELETE"]),
    Route("/users/{id}/events", endpoints.list_events, methods=["GET"]),
    # Not below /users: the gateway does not let anybody in here from outside.
    Route("/internal/accounts/{username}", endpoints.read_login, methods=["GET"]),
]


def create(config: Config) -> ASGIApp:
    """The application of a configuration.

    Raises:
        ConfigMistake: the configuration says what cannot be.
    """
    path, seed = config.text("database.path", "USER_DB"), config.mapping("seed")
    queue_size = int(config.number("audit.queue_size"))

    @asynccontextmanager
    async def resources(app: Starlette) -> AsyncIterator[None]:
        store = Store(path, seed)
        try:
            audit = AuditLog(store, queue_size)
            async with audit.running():
                app.state.store, app.state.audit = store, audit
                yield
        finally:
            store.close()

    return application(_ROUTES, resources)


if __name__ == "__main__":
    serve(Path(__file__).with_name("config.yaml"), create)
