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
from devenv.immutable import immutable
from devenv.model.listings import ViewDocument
from devenv.otlp.backend_ports import OTLP_GRPC_PORT, OTLP_HTTP_PORT, QUERY_PORT
from devenv.traces.background import in_background
from devenv.traces.links import UiLinks

if TYPE_CHECKING:
    from devenv.app.traces.trace_files import TraceFile
    from devenv.http.server import Route
    from devenv.traces.export import Refusal
    from devenv.traces.source import TraceSource


class MakePages(Protocol):
    """Makes the routes of the pages; ``setup`` returns the lines to paste."""

    def __call__(self, source: TraceSource, *, setup: Callable[[], Mapping[str, Sequence[str]]]) -> Sequence[Route]:
        """Return the routes."""


@immutable()
class ViewPorts:
    """Ports to listen on, 0 for a free one: of the receivers, and of the query APIs and pages."""

    otlp: int = OTLP_HTTP_PORT
    grpc: int = OTLP_GRPC_PORT
    query: int = QUERY_PORT


FREE_PORTS = ViewPorts(0, 0, 0)


@asynccontextmanager
async def viewer(
    files: Sequence[Path], pages: MakePages, ports: ViewPorts, storage: Path | None = None
) -> AsyncIterator[ViewDocument]:
    """Listen until the context is left; the files are read first, so that a bad one keeps no port.

    Args:
        files: see :func:`~devenv.app.traces.trace_files.read`.
        pages: what the port of the query APIs serves beside them.
        ports: what to listen on.
        storage: absolute path of the folder that keeps the traces; None: they are in memory.

    Raises:
        ConfigurationError: If a file cannot be read.
        PortTaken: If a port is in use.
        LockHeld, ConfigurationError, EnvironmentFailure: If the folder cannot be used.
    """
    from devenv.backend.server import Backend
    from devenv.backend.settings import EmbeddedSettings, StorageSettings

    read = [(path, await in_background(partial(trace_files.read, path))) for path in files]

    def receiver() -> str:
        return f"http://127.0.0.1:{backend.otlp_port}"

    def routes(source: TraceSource) -> Sequence[Route]:
        return pages(source, setup=lambda: setup_lines(receiver()))

    settings = EmbeddedSettings(
        otlp_port=ports.otlp,
        grpc_port=ports.grpc,
        query_port=ports.query,
        health_port=None,
        pages=routes,
        storage=StorageSettings(storage) if storage is not None else None,
    )
    backend = Backend(settings)
    try:
        await backend.open()
    except PortTaken as error:
        hint = f"{error.hint}; or use other ports: devenv view --ports auto"
        raise PortTaken(error.message, hint=hint, details=error.details) from error
    try:
        grpc_url, query_url = (f"http://127.0.0.1:{port}" for port in (backend.grpc_port, backend.query_port))
        refusal = await _sent(read, receiver())
        ids = list(dict.fromkeys(trace_id for _, file in read for trace_id in file.trace_ids))
        yield ViewDocument(
            ui_url=UiLinks(query_url).trace(ids[0]) if len(ids) == 1 else query_url,
            query_url=query_url,
            otlp_http_url=receiver(),
            otlp_grpc_url=grpc_url,
            traces=ids,
            spans=sum(file.spans for _, file in read),
            refused=refusal.spans,
            refused_reason=refusal.reason,
            storage=str(storage) if storage is not None else "",
            storage_notices=list(backend.storage_notices),
            restored_spans=backend.restored_spans,
            restored_log_records=backend.restored_logs,
            setup={title: list(lines) for title, lines in setup_lines(receiver()).items()},
        )
    finally:
        await backend.close()


async def _sent(read: Sequence[tuple[Path, TraceFile]], otlp_http_url: str) -> Refusal:
    from devenv.traces.export import Refusal, joined

    refusals = []
    for path, file in read:
        refusal = await send(file, otlp_http_url, str(path))
        refusals.append(Refusal(refusal.spans, refusal.reason and f"{path}: {refusal.reason}"))
    return joined(refusals)
