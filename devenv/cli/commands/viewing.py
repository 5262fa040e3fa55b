"""``devenv view``: receivers and pages without a stack."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Literal

import typer

from devenv.cli.globals import Globals
from devenv.cli.runner import run_async

EPILOG = "Example: devenv view trace.json"


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(epilog=EPILOG)(view)


def view(
    context: typer.Context,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Traces to show: OTLP (JSON or protobuf), Jaeger's JSON or Zipkin's JSON. Use - for stdin.",
            metavar="FILE",
        ),
    ] = None,
    ports: Annotated[
        Literal["jaeger", "auto"],
        typer.Option(help="Listen on the ports of Jaeger (OTLP 4317 and 4318, pages 16686), or on free ones."),
    ] = "jaeger",
    persist: Annotated[
        Path | None,
        typer.Option(help="Keep the traces in this directory, and show those that it has.", metavar="DIR"),
    ] = None,
    only_print: Annotated[bool, typer.Option("--print", help="Print the URL instead of opening a browser.")] = False,
) -> None:
    """Receive traces and show them, without a project, until Ctrl-C.

    The traces are in memory: they are gone when the command ends, unless
    --persist keeps them. Every program of this machine can send to it, and
    every SDK with its default endpoint does.
    """
    from devenv.app.view.viewer import FREE_PORTS, ViewPorts, viewer
    from devenv.cli.browser import open_in_browser
    from devenv.cli.views.viewing import show_view
    from devenv.dashboard.pages import page_routes

    state: Globals = context.obj
    listening = FREE_PORTS if ports == "auto" else ViewPorts()
    storage = persist.absolute() if persist else None
    ended = asyncio.Event()

    async def main() -> None:
        async with viewer(files or [], page_routes, listening, storage) as document:
            state.show(document, show_view)
            state.output.stdout.flush()
            if not only_print and not state.output.style.json:
                open_in_browser(document.ui_url)
            await ended.wait()

    run_async(main, on_interrupt=ended.set, fast_loop=True)
