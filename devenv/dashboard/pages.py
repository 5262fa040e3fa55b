"""Plain pages on Jaeger's paths, so that a link into Jaeger's UI is answered here as well."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import time_ns

from devenv.backend import Store
from devenv.dashboard.map_page import MapPage
from devenv.dashboard.search_page import SearchPage
from devenv.dashboard.trace_page import TracePage
from devenv.http.server import Request, Response, Route


def page_routes(store: Store, now: Callable[[], int] = time_ns) -> Sequence[Route]:
    """Routes for ``BackendSettings.pages``; ``now`` gives wall time in ns."""
    return [
        Route("GET", "/", _home),
        Route("GET", "/search", SearchPage(store, now)),
        Route("GET", "/trace/{id}", TracePage(store)),
        Route("GET", "/dependencies", MapPage(store, now)),
    ]


def _home(request: Request) -> Response:  # noqa: ARG001 (the handler's signature)
    return Response.redirect("/search")
