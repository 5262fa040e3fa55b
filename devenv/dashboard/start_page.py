"""``/`` of ``devenv view``: how to send spans, until the first one has arrived, and then its traces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from urllib.parse import urlencode

from devenv.dashboard.layout import Frame, framed
from devenv.drawing.markup import element, join
from devenv.http.server import HttpRequest, Response
from devenv.traces.query import Query
from devenv.traces.source import TraceSource

_BETWEEN_LOOKS = 0.2  # seconds
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
        if await self._source.services():
            return Response.redirect(await self._traces())
        return framed(Frame("Waiting for the first span", ""), self._content())

    async def _content(self) -> AsyncGenerator[bytes]:
        # The page stays open instead of being asked for again and again, so that its text can be selected.
        parts = (
            element("section", element("h2", title), element("pre", element("code", "\n".join(lines))))
            for title, lines in self._setup().items()
        )
        yield join(
            element("h1", "Waiting for the first span"),
            element("p", "Its trace appears on this page by itself. Paste what suits your program:"),
            *parts,
        ).encode()
        while not await self._source.services():  # noqa: ASYNC110 (a source of traces has no event for them)
            await asyncio.sleep(_BETWEEN_LOOKS)
        yield element("meta", http_equiv="refresh", content=f"0;url={await self._traces()}").encode()

    async def _traces(self) -> str:
        """The address of the traces of the service in which the newest one begins."""
        now = self._now()
        found = await self._source.search(Query(start_ns=now - _DAY_NS, end_ns=now + _DAY_NS, limit=1))
        entry = found[0].root_service if found else ""
        return f"/search?{urlencode({'service': entry or (await self._source.services())[0]})}"
