"""``/`` of ``devenv view``: how to send spans, until the first one has arrived, and then its traces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlencode

from devenv.dashboard.layout import refreshed
from devenv.dashboard.markup import element
from devenv.http.server import HttpRequest, Response
from devenv.traces.query import Query
from devenv.traces.source import TraceSource

_DAY_NS = 24 * 3600 * 10**9


class StartPage:
    """The handler.

    Args:
        source: the traces.
        now: nanoseconds since the epoch.
        setup: returns the lines to paste, by title.
    """

    def __init__(
        self, source: TraceSource, now: Callable[[], int], setup: Callable[[], Mapping[str, Sequence[str]]]
    ) -> None:
        self._source = source
        self._now = now
        self._setup = setup

    async def __call__(self, request: HttpRequest) -> Response:  # noqa: ARG002 (the handler's signature)
        """The lines to paste; the traces as soon as there is one."""
        services = await self._source.services()
        if services:
            return Response.redirect(f"/search?{urlencode({'service': await self._entry() or services[0]})}")
        parts = (
            element(
                "section",
                element("h2", title),
                element("pre", element("code", "\n".join(lines))),
            )
            for title, lines in self._setup().items()
        )
        return refreshed(
            "Waiting for the first span",
            element("h1", "Waiting for the first span"),
            element("p", "Its trace appears on this page by itself. Paste what suits your program:"),
            *parts,
        )

    async def _entry(self) -> str:
        """The service in which the newest trace begins; empty if that is not known."""
        now = self._now()
        found = await self._source.search(Query(start_ns=now - _DAY_NS, end_ns=now + _DAY_NS, limit=1))
        return found[0].root_service if found else ""
