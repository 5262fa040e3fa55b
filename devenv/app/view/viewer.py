"""Runs the embedded trace backend in the foreground, with what files of traces contain."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from devenv.app.traces import trace_files
from devenv.app.traces.exchange import send
from devenv.app.view.setup_lines import setup_lines
from devenv.errors import PortTaken
from devenv.model.listings import ViewDocument
from devenv.traces.background import in_background
from devenv.traces.links import UiLinks

if TYPE_CHECKING:
    from devenv.app.traces.trace_files import TraceFile
    from devenv.http.server import Route
    from devenv.traces.source import TraceSource


class MakePages(Protocol):
    """Makes the routes of the pages; ``setup`` returns the lines to paste."""

    def __call__(self, source: TraceSource, *, setup: Callable[[], Mapping[str, Sequence[str]]]) -> Sequence[Route]:
        """Return the routes."""


@asynccontextmanager
async def viewer(
    files: Sequence[Path], pages: MakePages, *, otlp_port: int, query_port: int
) -> AsyncIterator[ViewDocument]:
    """Listen until the context is left; the files are read first, so that a bad one keeps no port.

    Args:
        files: see :func:`~devenv.app.traces.trace_files.read`.
        pages: what the port of the query APIs serves beside them.
        otlp_port: of the receiver; 0 for a free one.
        query_port: of the query APIs and pages; 0 for a free one.

    Raises:
        ConfigurationError: If a file cannot be read.
        PortTaken: If a port is in use.
    """
    from devenv.backend.server import Backend
    from devenv.backend.settings import EmbeddedSettings

    read = [(path, await in_background(partial(trace_files.read, path))) for path in files]

    def receiver() -> str:
        return f"http://127.0.0.1:{backend.otlp_port}"

    def routes(source: TraceSource) -> Sequence[Route]:
        return pages(source, setup=lambda: setup_lines(receiver()))

    backend = Backend(EmbeddedSettings(otlp_port=otlp_port, query_port=query_port, health_port=None, pages=routes))
    try:
        await backend.open()
    except PortTaken as error:
        hint = f"{error.hint}; or use other ports: devenv view --ports auto"
        raise PortTaken(error.message, hint=hint, details=error.details) from error
    try:
        yield await _shown(receiver(), f"http://127.0.0.1:{backend.query_port}", read)
    finally:
        await backend.close()


async def _shown(otlp_http_url: str, query_url: str, read: Sequence[tuple[Path, TraceFile]]) -> ViewDocument:
    refused, reasons = 0, []
    for path, file in read:
        refusal = await send(file, otlp_http_url, str(path))
        refused += refusal.spans
        reasons += [f"{path}: {refusal.reason}"] if refusal.reason else []
    ids = tuple(dict.fromkeys(trace_id for _, file in read for trace_id in file.trace_ids))
    links = UiLinks(query_url)
    return ViewDocument(
        ui_url=links.trace(ids[0]) if len(ids) == 1 else query_url,
        query_url=query_url,
        otlp_http_url=otlp_http_url,
        traces=list(ids),
        spans=sum(file.spans for _, file in read),
        refused=refused,
        refused_reason="; ".join(reasons),
        setup={title: list(lines) for title, lines in setup_lines(otlp_http_url).items()},
    )
