"""Commands that answer questions from many traces: map, report and check."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from devenv.cli.globals import Globals
from devenv.cli.runner import run_async, without_collection

Limit = Annotated[int, typer.Option(help="Maximum number of traces to read, the newest ones.", min=1, metavar="N")]
Since = Annotated[str, typer.Option(help="Start at an ISO 8601 time, or a duration ago such as 10m.", metavar="TIME")]

MOST = 10_000
"""Traces that are read by default: of 7 spans each, about 10 s of work over Jaeger."""

_REPORTS = (
    "Example: devenv report --since 10m --fail 'p99<250ms' --fail 'errors<1%'\n\n"
    "Example: devenv report --incident --since 15m"
)


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command("map", epilog="Example: devenv map --since 1h --mermaid")(map_)
    app.command(epilog=_REPORTS)(report)
    app.command(epilog="Example: devenv check --since 10m --fail 'score>=80' --fail 'findings==0'")(check)


def map_(
    context: typer.Context,
    since: Since = "15m",
    limit: Limit = MOST,
    dot: Annotated[bool, typer.Option("--dot", help="Print the map in Graphviz's DOT language.")] = False,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Print the map as a Mermaid flow chart.")] = False,
) -> None:
    """Show who calls whom: calls, errors and latency, observed beside what the stack file declares."""
    from devenv.analysis.service_map.diagrams import DIAGRAMS
    from devenv.app.traces.service_map import map_services
    from devenv.cli.arguments import exclude, instant
    from devenv.cli.views.service_map import show_map

    state: Globals = context.obj
    exclude("--dot", dot, "--mermaid", mermaid)
    start_ns = round(instant(since, "--since") * 1e9)
    with without_collection():
        result = run_async(
            lambda: map_services(state.invocation, start_ns=start_ns, end_ns=time.time_ns(), limit=limit)
        )
    if (dot or mermaid) and not state.output.style.json:
        state.output.lines(DIAGRAMS["dot" if dot else "mermaid"](result.found).rstrip("\n"))
    else:
        state.show(result.document, show_map)


def report(
    context: typer.Context,
    since: Since = "15m",
    run: Annotated[
        str | None, typer.Option(help="Report the traces of this load run (ID or name).", metavar="RUN")
    ] = None,
    service: Annotated[
        str | None, typer.Option(help="Only requests through this service, and its figures.", metavar="NAME")
    ] = None,
    fail: Annotated[
        list[str] | None,
        typer.Option(
            help="Exit with 1 unless this is met, such as 'p99<250ms', 'errors<1%' or 'budget>0%'. Repeatable.",
            metavar="EXPR",
        ),
    ] = None,
    incident: Annotated[
        bool,
        typer.Option(
            "--incident", help="Show what fails or is slower than before: what was first, since when, what changed."
        ),
    ] = False,
    limit: Limit = MOST,
) -> None:
    """Show rate, errors, durations and objectives by service, and where the time goes."""
    from devenv.analysis.thresholds import REPORT_METRICS, parse_threshold
    from devenv.app.traces import report as use_case
    from devenv.cli.arguments import exclude, instant
    from devenv.cli.views.report import show_report

    state: Globals = context.obj
    exclude("--run", run is not None, "--since", since != "15m")
    options = use_case.ReportOptions(
        start_ns=round(instant(since, "--since") * 1e9),
        end_ns=time.time_ns(),
        run=run,
        service=service,
        thresholds=[parse_threshold(expression, REPORT_METRICS) for expression in fail or ()],
        incident=incident,
        limit=limit,
    )
    with without_collection():
        document = run_async(lambda: use_case.report(state.invocation, options))
    state.show(document, lambda found, output: show_report(found, output, incident=incident))
    raise typer.Exit(use_case.verdict_code(document))


def check(
    context: typer.Context,
    since: Since = "15m",
    run: Annotated[
        str | None, typer.Option(help="Check the traces of this load run (ID or name).", metavar="RUN")
    ] = None,
    service: Annotated[
        str | None, typer.Option(help="Only the score of this service, and findings about it.", metavar="NAME")
    ] = None,
    fail: Annotated[
        list[str] | None,
        typer.Option(
            help="Exit with 1 unless this is met, such as 'score>=80' or 'findings==0'. Repeatable.", metavar="EXPR"
        ),
    ] = None,
    limit: Limit = MOST,
) -> None:
    """Check tracing itself: broken propagation, lost spans, secrets, and the Instrumentation Score."""
    from devenv.analysis.thresholds import CHECK_METRICS, parse_threshold
    from devenv.app.traces.checks import check as use_case
    from devenv.cli.arguments import exclude, instant
    from devenv.cli.views.checks import show_checks
    from devenv.clock import SystemClock

    state: Globals = context.obj
    exclude("--run", run is not None, "--since", since != "15m")
    options = use_case.CheckOptions(
        start_ns=round(instant(since, "--since") * 1e9),
        end_ns=time.time_ns(),
        run=run,
        service=service,
        thresholds=[parse_threshold(expression, CHECK_METRICS) for expression in fail or ()],
        limit=limit,
    )
    with without_collection():
        document = run_async(lambda: use_case.check(state.invocation, options, SystemClock()))
    state.show(document, show_checks)
    raise typer.Exit(use_case.verdict_code(document))
