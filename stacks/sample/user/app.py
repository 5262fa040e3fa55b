"""User's application; ``python -m user.app`` serves it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from chassis.answers import route
from chassis.config import Config
from chassis.server import Service, application, serve
from user import endpoints
from user.audit import AuditLog
from user.store import Store

_ROUTES: list[BaseRoute] = [
    route("GET", "/users/{id}", endpoints.read_account),
    route("GET", "/users", endpoints.list_accounts),
    route("POST", "/users", endpoints.create_account),
    route("PATCH", "/users/{id}", endpoints.change_account),
    route("DELETE", "/users/{id}", endpoints.remove_account),
    route("GET", "/users/{id}/events", endpoints.list_events),
    # Not below /users, so that the gateway does not make it reachable from outside.
    route("GET", "/internal/accounts/{username}", endpoints.read_login),
]


def create(config: Config) -> Service:
    """Return the application of a configuration.

    Raises:
        ConfigMistake: If a value of the configuration is invalid.
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

    return application(config, _ROUTES, resources)


if __name__ == "__main__":
    serve(Path(__file__).with_name("config.yaml"), create)
