"""Load runs for people: the live line, the summary and the list."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from devenv import events as e
from devenv.cli.control_characters import visible
from devenv.cli.table import Column
from devenv.cli.views.durations import duration
from devenv.cli.views.progress import notice_line, silent_sink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import RenderableType

    from devenv.cli.output import Output
    from devenv.model.listings import RunsDocument
    from devenv.model.load_documents import LoadDocument, PercentilesDocument

BAR_WIDTH = 30
LIVE_HZ = 8

_COLUMNS = (
    Column(title="RUN"),
    Column(title="NAME", least=6, drop=3),
    Column(title="STARTED", drop=1),
    Column(title="SCENARIO", least=6, drop=2),
    *(Column(title=title) for title in ("RATE", "SENT", "FAILED", "P50", "P99", "COMPLETE")),
)


def show_load(document: LoadDocument, output: Output) -> None:
    """Summary of a run: the verdict, then rate, latencies, errors, trace classes and thresholds."""
    from devenv.load.verdict import judge, passed_text

    reasons = judge(document)  # not the saved ones: older versions saved none
    output.line("Failed: " + "; ".join(reasons) if reasons else "Passed: " + passed_text(document))
    title = document.name or document.run_id
    output.line(f"Run {title}: {document.scenario} on {document.target}, {duration(document.duration_s)}")
    output.line(
        f"  requests   {document.sent} sent, {document.completed} completed, {document.dropped} dropped, "
        f"{document.achieved_rps:.1f}/s of {document.target_rps:g}/s"
    )
    if document.errors:
        output.line("  errors     " + ", ".join(f"{count} {kind}" for kind, count in document.errors.items()))
    output.line("  response   " + _percentiles(document.response_ms))
    output.line("  service    " + _percentiles(document.service_ms))
    output.line(
        f"  generator  lag p99 {_ms(document.generator_lag_ms.p99)}, {document.cpu_us_per_request:.0f} µs CPU/request"
    )
    classes = [f"{count} {name}" for name, count in document.traces.model_dump().items() if count]
    output.line("  traces     " + (", ".join(classes) or "none"))
    for cause in document.causes:
        example = f" (e.g. {cause.example})" if cause.example else ""
        output.line(f"    {cause.count} {cause.trace_class}: {cause.cause}{example}")
    for slow in document.slowest[:3]:
        output.line(f"  slow       {slow.response_ms:.1f} ms  {slow.ui_url or slow.trace_id}")
    for threshold in document.thresholds:
        value = "not measured" if threshold.value is None else f"measured {threshold.value:g}"
        output.line(f"  {'ok  ' if threshold.ok else 'FAIL'}       {threshold.expr} ({value})")
    if document.ui_url:
        output.line(f"Traces of this run: {document.ui_url}")


def show_runs(document: RunsDocument, output: Output) -> None:
    """The saved runs, one per line."""
    if not document.runs:
        output.line("No saved runs. Start one with `devenv load`.")
        return
    rows = [
        (
            run.run_id,
            run.name or "",
            run.started_at,
            run.scenario,
            f"{run.rps:g}/s",
            str(run.sent),
            str(run.failed),
            _ms(run.p50_ms),
            _ms(run.p99_ms),
            str(run.complete) + ("" if run.valid else " (invalid)"),
        )
        for run in document.runs
    ]
    output.table(_COLUMNS, rows)


def _percentiles(values: PercentilesDocument) -> str:
    named = (("p50", values.p50), ("p90", values.p90), ("p99", values.p99), ("p99.9", values.p999), ("max", values.max))
    return "  ".join(f"{name} {_ms(value)}" for name, value in named)


def _ms(value: float | None) -> str:
    """Milliseconds, or a dash if there are not enough samples."""
    return "-" if value is None else f"{value:.1f} ms"


def progress_line(event: e.Event) -> str | None:
    """One line for an event of a run; ``None`` if it has none."""
    match event:
        case e.LoadProgress():
            return (
                f"{event.elapsed_s:5.1f} s  {event.rate:7.1f}/s  {event.completed} completed, {event.failed} failed, "
                f"{event.in_flight} in flight, p50 {event.p50_ms:.1f} ms, p99 {event.p99_ms:.1f} ms"
            )
        case e.VerifyProgress(found=found, total=total):
            return f"traces: {found} of {total} complete in the backend"
        case e.Notice(message=message, warning=warning):
            return notice_line(message, warning=warning)
        case _:
            return None


@contextmanager
def run_progress(output: Output) -> Iterator[e.Sink]:
    """A sink that shows a run's events on stderr: a live view on a terminal, else lines."""
    silent = silent_sink(output)
    if silent:
        yield silent
        return
    if not output.live:
        yield _plain(output.note)
        return
    from rich.live import Live

    state: dict[str, e.Event] = {}

    def view() -> RenderableType:
        return _live(state.get("load"), state.get("verify"))

    console = output.live_console()
    with Live(get_renderable=view, console=console, refresh_per_second=LIVE_HZ, transient=True) as live:

        def show(event: e.Event) -> None:
            if isinstance(event, e.LoadProgress):
                state["load"] = event
            elif isinstance(event, e.VerifyProgress):
                state["verify"] = event
            elif isinstance(event, e.Notice):
                live.console.print(visible(notice_line(event.message, warning=event.warning)))

        yield show


def _plain(note: Callable[[str], None]) -> e.Sink:
    last = 0.0

    def show(event: e.Event) -> None:
        nonlocal last
        if isinstance(event, e.LoadProgress):
            if event.elapsed_s - last < 1.0:
                return
            last = event.elapsed_s
        if isinstance(event, e.VerifyProgress) and event.found != event.total:
            return
        line = progress_line(event)
        if line is not None:
            note(line)

    return show


def _live(load: e.Event | None, verify: e.Event | None) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    lines: list[RenderableType] = []
    if isinstance(load, e.LoadProgress):
        share = min(load.elapsed_s / load.duration_s, 1.0) if load.duration_s else 1.0
        lines.append(Text(f"{_bar(share)} {load.elapsed_s:5.1f} of {load.duration_s:g} s", style="cyan"))
        lines.append(
            Text(
                f"{load.rate:8.1f} req/s   {load.completed} completed  {load.failed} failed  {load.in_flight} in flight"
            )
        )
        lines.append(Text(f"     p50 {load.p50_ms:.1f} ms   p99 {load.p99_ms:.1f} ms", style="bold"))
    if isinstance(verify, e.VerifyProgress):
        share = verify.found / verify.total if verify.total else 1.0
        lines.append(Text(f"{_bar(share)} {verify.found} of {verify.total} traces complete", style="green"))
    return Group(*lines) if lines else Text("starting")


def _bar(share: float) -> str:
    filled = round(share * BAR_WIDTH)
    return "━" * filled + "╺" + "─" * (BAR_WIDTH - filled)
