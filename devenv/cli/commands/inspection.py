"""Commands that inspect running services: logs, metrics, exec and open."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from devenv.cli.globals import Globals
from devenv.cli.runner import run_async

PASS_THROUGH = {"ignore_unknown_options": True, "allow_interspersed_args": False}


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(epilog="Example: devenv logs gateway auth --follow --tail 20")(logs)
    app.command(epilog="Example: devenv metrics gateway")(metrics)
    app.command("exec", context_settings=PASS_THROUGH, epilog="Example: devenv exec user -- python3 --version")(exec_)
    app.command("open", epilog="Example: devenv open jaeger --print")(open_)


def logs(
    context: typer.Context,
    services: Annotated[
        list[str] | None, typer.Argument(metavar="SERVICE", help="Services to show. Default: all.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Keep printing new lines.")] = False,
    since: Annotated[
        str | None, typer.Option(help="Start at an ISO 8601 time, or a duration ago such as 10m.", metavar="TIME")
    ] = None,
    tail: Annotated[
        int | None,
        typer.Option(help="Number of lines to show from the end of each service's output.", min=0, metavar="N"),
    ] = None,
    grep: Annotated[
        str | None, typer.Option(help="Show only lines that match this regular expression.", metavar="PATTERN")
    ] = None,
    trace: Annotated[
        str | None,
        typer.Option(
            help="Show only lines with this trace ID, and its log records and span events.", metavar="TRACE_ID"
        ),
    ] = None,
    severity: Annotated[
        str | None,
        typer.Option(help="Show only lines that are at least this severe, such as warn.", metavar="LEVEL"),
    ] = None,
) -> None:
    """Show service output and log records, merged by time. With --json, print one JSON object per line."""
    from devenv.app.environment import logs as use_case
    from devenv.cli.arguments import instant, level, pattern
    from devenv.cli.views.lines import LineView

    state: Globals = context.obj
    options = use_case.LogOptions(
        services=tuple(services or ()),
        follow=follow,
        since=None if since is None else instant(since, "--since"),
        tail=tail,
        grep=None if grep is None else pattern(grep, "--grep"),
        trace=trace,
        severity=0 if severity is None else level(severity, "--severity"),
    )
    view = LineView(state.output)

    async def stream() -> None:
        async for line in use_case.logs(state.invocation, options, state.output.warn):
            if state.output.style.json:
                state.output.json_line(asdict(line))
            else:
                view.show(line)

    run_async(stream)


def metrics(
    context: typer.Context,
    service: Annotated[str | None, typer.Argument(metavar="SERVICE", help="Service to show. Default: all.")] = None,
) -> None:
    """Show the newest metrics of services, and rate, errors and durations computed from their spans."""
    from devenv.app.traces import metrics as use_case
    from devenv.cli.views.metrics import show_metrics
    from devenv.clock import SystemClock

    state: Globals = context.obj
    clock = SystemClock()
    document = run_async(lambda: use_case.metrics(state.invocation, service, clock=clock))
    state.show(document, lambda found, output: show_metrics(found, output, now=clock.now()))


def exec_(
    context: typer.Context,
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="Running service.")],
    command: Annotated[list[str], typer.Argument(metavar="-- CMD", help="The command and its arguments.")],
    index: Annotated[int, typer.Option(help="Instance number, if the service has several.", min=1, metavar="N")] = 1,
) -> None:
    """Run a command in a running service, attached to this terminal. Exits with the command's exit code."""
    from devenv.app.environment import exec as use_case

    state: Globals = context.obj
    words = command[1:] if command[0] == "--" else command
    tty = sys.stdin.isatty() and sys.stdout.isatty()
    code = run_async(lambda: use_case.exec_in(state.invocation, service, words, tty=tty, index=index))
    raise typer.Exit(code)


def open_(
    context: typer.Context,
    target: Annotated[
        str, typer.Argument(help="What to open: jaeger, a service, a trace ID or a run ID.", metavar="TARGET")
    ] = "jaeger",
    only_print: Annotated[bool, typer.Option("--print", help="Print the URL instead of opening a browser.")] = False,
) -> None:
    """Open the last run's traces, a service or a trace in the browser."""
    from devenv.app.environment.open import redirect_file, target_link
    from devenv.cli.browser import open_in_browser
    from devenv.model.listings import OpenDocument

    state: Globals = context.obj
    link = run_async(lambda: target_link(state.invocation, target))
    opened = False
    if not only_print:
        url = redirect_file(state.invocation, link).as_uri() if link.secret else link.url
        opened = open_in_browser(url)
    if not opened and not only_print:
        state.output.note("no browser found; open this URL:")
    state.show(OpenDocument(url=link.url, opened=opened), lambda document, output: output.line(document.url))
