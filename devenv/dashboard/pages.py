"""Plain pages on the paths of Jaeger's UI, so that links into that UI work here as well."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import time_ns

from devenv.dashboard.layout import Frame, page
from devenv.dashboard.search_page import SearchPage
from devenv.dashboard.service_map.page import MapPage
from devenv.dashboard.start_page import StartPage
from devenv.dashboard.trace_page import TracePage
from devenv.drawing.markup import element
from devenv.errors import BackendUnavailable
from devenv.http.server import HttpRequest, Response, Route
from devenv.traces.source import TraceSource

Page = Callable[[HttpRequest], Awaitable[Response]]


def page_routes(
    source: TraceSource,
    now: Callable[[], int] = time_ns,
    *,
    setup: Callable[[], Mapping[str, Sequence[str]]] | None = None,
) -> Sequence[Route]:
    """Routes of the pages over a source of traces.

    Args:
        source: the traces.
        now: nanoseconds since the epoch.
        setup: returns lines to paste, by title; the first page shows them until a span has arrived.
    """
    return [
        Route("GET", "/", _available(StartPage(source, now, setup)) if setup else _home),
        Route("GET", "/search", _available(SearchPage(source, now))),
        Route("GET", "/trace/{id}", _available(TracePage(source))),
        Route("GET", "/dependencies", _available(MapPage(source, now))),
    ]


def _home(request: HttpRequest) -> Response:  # noqa: ARG001 (the handler's signature)
    return Response.redirect("/search")


def _available(handler: Page) -> Page:
    """The page, or the reason why the trace backend did not respond."""

    async def answer(request: HttpRequest) -> Response:
        try:
            return await handler(request)
        except BackendUnavailable as error:
            hint = element("p", error.hint) if error.hint else None
            trouble = element("p", error.message, class_="note bad", role="alert")
            return page(Frame("Traces", "/search"), element("h1", "Traces"), trouble, hint, status=502)

    return answer
