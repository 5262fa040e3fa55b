"""Commands for traces: search, tail, show, diff, export and import."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from devenv.cli.globals import Globals
from devenv.cli.runner import run_async, without_collection
from devenv.errors import UsageError

traces_app = typer.Typer(no_args_is_help=True, help="Search, follow, show, compare, export and import traces.")


# Two paragraphs: each begins at its own line.
_SEARCHES = (
    "Example: devenv traces search --service gateway --min-duration 50ms --errors\n\n"
    "Example: devenv traces search --where 'name = GET and not status = error'"
)

_COMPARES = "Example: devenv traces diff 4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba902b74bf92f3577b34da6"


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    traces_app.command(epilog=_SEARCHES)(search)
    traces_app.command(epilog="Example: devenv traces tail --where 'status = error or duration > 200ms'")(tail)
    traces_app.command(epilog="Example: devenv traces show 4bf92f3577b34da6a3ce929d0e0e4736")(show)
    traces_app.command(epilog=_COMPARES)(diff)
    traces_app.command(epilog="Example: devenv traces export 4bf92f3577b34da6a3ce929d0e0e4736 -o trace.json")(export)
    traces_app.command("import", epilog="Example: devenv traces import trace.json")(import_)
    app.add_typer(traces_app, name="traces")


def search(
    context: typer.Context,
    service: Annotated[
        str | None, typer.Option(help="Service name (service.name). Default: all services.", metavar="NAME")
    ] = None,
    operation: Annotated[str | None, typer.Option(help="Span name.", metavar="NAME")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Attribute to match. Repeatable.", metavar="KEY=VALUE")] = None,
    min_duration: Annotated[str | None, typer.Option(help="Minimum span duration.", metavar="DURATION")] = None,
    max_duration: Annotated[str | None, typer.Option(help="Maximum span duration.", metavar="DURATION")] = None,
    where: Annotated[
        str | None,
        typer.Option(
            help="Filter, such as 'status = error or duration > 200ms'. Has and, or, not, and conditions on whole "
            "traces: any child(service = db), trace.duration > 1s.",
            metavar="FILTER",
        ),
    ] = None,
    errors: Annotated[bool, typer.Option("--errors", help="Only spans with an error status.")] = False,
    since: Annotated[
        str, typer.Option(help="Search from an ISO 8601 time, or a duration ago such as 1h.", metavar="TIME")
    ] = "1h",
    run: Annotated[str | None, typer.Option(help="Only traces of this load run (run ID).", metavar="RUN")] = None,
    limit: Annotated[int, typer.Option(help="Maximum number of traces.", min=1, metavar="N")] = 20,
) -> None:
    """Search traces by service, operation, attributes, duration, error or run, or by a filter."""
    from devenv.app.traces import lookup as use_case
    from devenv.cli.arguments import instant, seconds, trace_filter
    from devenv.cli.views import traces as view
    from devenv.traces.query import Query

    def nanoseconds(text: str | None, option: str) -> int | None:
        return None if text is None else round(seconds(text, option) * 1e9)

    state: Globals = context.obj
    query = Query(
        service=service,
        operation=operation,
        tags={**_tags(tag or []), **({"devenv.run": run} if run else {})},
        start_ns=round(instant(since, "--since") * 1e9),
        end_ns=time.time_ns(),
        min_duration_ns=nanoseconds(min_duration, "--min-duration"),
        max_duration_ns=nanoseconds(max_duration, "--max-duration"),
        errors_only=errors,
        limit=limit,
        where=None if where is None else trace_filter(where, "--where"),
    )
    document = run_async(lambda: use_case.search(state.invocation, query))
    state.show(document, lambda found, output: view.show_search(found, output, since=since))


def tail(
    context: typer.Context,
    service: Annotated[
        str | None, typer.Option(help="Service name (service.name). Default: all services.", metavar="NAME")
    ] = None,
    where: Annotated[
        str | None, typer.Option(help="Filter, as for search, such as 'duration > 200ms'.", metavar="FILTER")
    ] = None,
    errors: Annotated[bool, typer.Option("--errors", help="Only traces with an error.")] = False,
) -> None:
    """Show traces as they arrive, errors marked, until Ctrl-C. With --json, print one JSON object per line."""
    from devenv.app.traces import lookup as use_case
    from devenv.cli.arguments import trace_filter
    from devenv.cli.views.trace_tail import show_arrived
    from devenv.clock import SystemClock
    from devenv.traces.query import Query

    state: Globals = context.obj
    query = Query(
        service=service,
        start_ns=0,
        end_ns=0,
        errors_only=errors,
        where=None if where is None else trace_filter(where, "--where"),
    )

    async def stream() -> None:
        async for arrived, source in use_case.tail(state.invocation, query, state.output.warn, clock=SystemClock()):
            if not state.output.style.json:
                show_arrived(arrived, state.output)
                continue
            if arrived.skipped or arrived.at_least:
                state.output.json_line({"skipped": arrived.skipped, "at_least": arrived.at_least})
            for row in arrived.traces:
                state.output.json_line(use_case.summary_part(row, source).model_dump(mode="json"))

    run_async(stream)


def show(
    context: typer.Context,
    trace_id: Annotated[str, typer.Argument(help="Trace ID (32 hex digits).", metavar="TRACE_ID")],
) -> None:
    """Show a trace as a waterfall with its critical path."""
    from devenv.app.traces import lookup as use_case
    from devenv.cli.views import traces as view

    state: Globals = context.obj
    with without_collection():
        found = run_async(lambda: use_case.show(state.invocation, trace_id))
        if state.output.style.json:
            state.output.document(use_case.trace_document(found))
        else:  # without the document, which takes as long as all the rest if the trace is large
            view.show_trace(found, state.output)


def diff(
    context: typer.Context,
    first: Annotated[str, typer.Argument(help="Trace ID (32 hex digits).", metavar="A")],
    second: Annotated[str, typer.Argument(help="Trace ID to compare with.", metavar="B")],
) -> None:
    """Compare two traces: which operation took longer, and which spans only one trace has."""
    from devenv.app.traces import trace_diff as use_case
    from devenv.cli.views.trace_diff import show_diff

    state: Globals = context.obj
    with without_collection():
        document = run_async(lambda: use_case.diff(state.invocation, first, second))
    state.show(document, show_diff)


def export(
    context: typer.Context,
    trace_ids: Annotated[list[str], typer.Argument(metavar="TRACE_ID", help="Trace IDs (32 hex digits each).")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Output file. Default: stdout.", metavar="FILE")
    ] = None,
) -> None:
    """Write traces as OTLP JSON, for an issue report or another tool."""
    from devenv.app.traces import exchange as use_case
    from devenv.cli.views import traces as view

    state: Globals = context.obj
    document = run_async(lambda: use_case.collected(state.invocation, trace_ids))
    if output is None:
        state.output.json_line(document)
        return
    state.show(use_case.write(document, output), view.show_export)


def import_(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            help="OTLP (JSON or protobuf), Jaeger's JSON or Zipkin's JSON. Use - for stdin.", metavar="FILE"
        ),
    ],
) -> None:
    """Send traces from a file to the running trace backend."""
    from devenv.app.traces import exchange as use_case
    from devenv.cli.views import traces as view

    state: Globals = context.obj
    document = run_async(lambda: use_case.import_(state.invocation, file))
    state.show(document, view.show_import)
    raise typer.Exit(use_case.verdict_code(document))


def _tags(pairs: list[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise UsageError(f"--tag: found {pair!r}, expected key=value")
        found[key] = value
    return found
