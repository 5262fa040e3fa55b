"""Results of ``up``, ``status`` and ``down`` for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.cli.control_characters import colourless
from devenv.cli.table import Column, Styled
from devenv.cli.views.durations import duration
from devenv.model.counts import plural
from devenv.orchestrate.instrumentation.decision import name_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devenv.cli.output import Output
    from devenv.cli.table import Cell
    from devenv.model.documents import (
        CanaryDocument,
        CollectorRouteDocument,
        FailureDocument,
        PlanDocument,
        ServiceDocument,
        StatusDocument,
        StepDocument,
        TraceBackendDocument,
        UpDocument,
    )
    from devenv.model.down_document import DownDocument

_HEALTH_STYLE = {"healthy": "32", "completed": "32", "unhealthy": "1;31", "starting": "33"}


def show_up(document: UpDocument, output: Output, *, rolled_back: bool = False) -> None:
    """Table of services with URLs and times, failures, canary, and the next commands.

    Args:
        document: of the command.
        output: for the text.
        rolled_back: if a service failed, what the command created was removed (``--rollback``).
    """
    _services(document.services, output, running=False)
    _tracing(document.services, output)
    for failure in document.failures:
        _failure(failure, output)
    output.line()
    _canary(document.canary, output)
    _routes(document.collectors, output)
    _places(document.entrypoint_url, document.trace_backend, output)
    if (document.failures or document.timed_out) and rolled_back:
        output.line("Rolled back: what this command created is removed. Next: devenv status.")
        return
    if document.failures or document.timed_out:
        output.line(
            "Started services keep running. "
            "Inspect them with `devenv status` and `devenv logs`, or remove them with `devenv down`."
        )
        return
    took = f"Up in {duration(document.elapsed_ms / 1000)}"
    if document.canary.verdict in {"complete", "skipped"}:
        output.line(f"{took}. Next: devenv load --rps 50, devenv open jaeger.")
    elif document.canary.untraced:
        output.line(
            f"Not traced: no service has any tracing yet. The services are up "
            f"({duration(document.elapsed_ms / 1000)}). To start it:"
        )
        for line in document.canary.advice:
            output.line(f"  {line}")
        output.line("To leave the stack without tracing, run `devenv up --no-canary`.")
    else:
        output.line(
            f"Not traced: the canary trace is {document.canary.verdict}. The services are up "
            f"({duration(document.elapsed_ms / 1000)}). Next: devenv logs, devenv doctor."
        )


def show_status(document: StatusDocument, output: Output) -> None:
    """Table of services in their current state."""
    output.line(f"{document.project} on the {document.engine} engine")
    for name in document.also_on:
        output.line(f"The project also runs on the {name} engine; `devenv down` takes down both")
    _services(document.services, output, running=True)
    for failure in document.failures:
        _failure(failure, output)
    if document.no_spans_yet:
        output.line(f"No spans yet from {', '.join(document.no_spans_yet)}")
    _routes(document.collectors, output)
    _places(document.entrypoint_url, document.trace_backend, output)


def show_plan(document: PlanDocument, output: Output) -> None:
    """The actions of a plan and the schedule of their steps, one per line."""
    output.line(f"{document.project} on the {document.engine} engine: {plural(len(document.actions), 'action')}")
    for action in document.actions:
        reason = f"  ({action.reason})" if action.reason else ""
        output.line(f"  {action.action:<16} {action.target}{reason}")
    if document.steps:
        output.line("Schedule; each step runs as soon as those that it waits for have ended:")
    for step in document.steps:
        output.line(f"  {step.id:>3}  {step.call:<14} {step.target}{_waits(step)}")


def _waits(step: StepDocument) -> str:
    """What a step waits for, as the end of its line."""
    after = ", ".join(str(number) for number in sorted({*step.after, *step.follows}))
    conditions = [f"{wait.service} is {wait.condition}" for wait in step.waits_for]
    return (f"  after {after}" if after else "") + (f"  when {', '.join(conditions)}" if conditions else "")


def show_down(document: DownDocument, output: Output) -> None:
    """What was removed, kept, and not removed."""
    removed = document.removed
    counted = [
        plural(len(names), kind)
        for kind, names in (
            ("container", removed.containers),
            ("process", removed.processes),
            ("network", removed.networks),
            ("volume", removed.volumes),
        )
        if names
    ]
    output.line(f"Removed {', '.join(counted)}." if counted else "Nothing to remove.")
    if document.kept.volumes:
        output.line(f"Kept volumes: {', '.join(document.kept.volumes)}. To remove them, run `devenv down --volumes`.")
    if document.left:
        output.line(f"Not removed: {', '.join(document.left)}")
    elif counted:
        output.line("Nothing else is left." if document.kept.volumes else "Nothing is left.")


def _services(services: Sequence[ServiceDocument], output: Output, *, running: bool) -> None:
    rows: list[list[Cell]] = []
    for service in services:
        name = service.name if len(service.instances) <= 1 else f"{service.name} x{len(service.instances)}"
        health = Styled(service.health, _HEALTH_STYLE.get(service.health, ""))
        ready = "" if service.ready_ms is None else duration(service.ready_ms / 1000)
        middle = _live_columns(service) if running else [ready]
        urls = [port.url for port in service.ports] or [""]
        rows.append([name, _state(service), health, *middle, urls[0]])
        rows.extend([*[""] * (len(middle) + 3), url] for url in urls[1:])
    middle_titles = ("UPTIME", "RESTARTS", "CPU", "MEMORY") if running else ("READY",)
    columns = (
        Column(title="SERVICE", least=8),
        Column(title="STATE", least=10),
        *(Column(title=title) for title in ("HEALTH", *middle_titles)),
        Column(title="URL", drop=1, below=True),
    )
    output.table(columns, rows)


_BY = {
    "own": "traces itself",
    "devenv": "traced by devenv",
    "none": "not traced",
    "not needed": "needs no tracing",
}


def _tracing(services: Sequence[ServiceDocument], output: Output) -> None:
    """One line for each service that says who traces it."""
    shown = [(service.name, service.tracing) for service in services if service.tracing is not None]
    width = max((len(name) for name, _ in shown), default=0)
    if shown:
        output.line()
    for name, tracing in shown:
        language = f" ({name_of(tracing.language)})" if tracing.language else ""
        note = f": {tracing.note}" if tracing.note else ""
        output.line(f"{name:<{width}}  {_BY[tracing.by]}{language}{note}")


def _state(service: ServiceDocument) -> str:
    """The state; of a service that is being restarted with how often and why."""
    if service.state != "restarting":
        return service.state
    codes = [item.exit_code for item in service.instances if item.state == "restarting" and item.exit_code is not None]
    times = "once" if service.restarts == 1 else plural(service.restarts, "time")
    return f"{service.state} ({times}" + (f", last exit {codes[0]})" if codes else ")")


def _live_columns(service: ServiceDocument) -> list[str]:
    uptime = "" if service.uptime_s is None else duration(service.uptime_s)
    cpu = "" if service.cpu_percent is None else f"{service.cpu_percent:.1f}%"
    memory = "" if service.memory_bytes is None else f"{service.memory_bytes / 2**20:.0f} MiB"
    return [uptime, str(service.restarts), cpu, memory]


def _failure(failure: FailureDocument, output: Output) -> None:
    """One block with all facts about a failed service."""
    output.line()
    output.line(f"✘ {failure.service}: {failure.reason}")
    if failure.probe:
        output.line(f"    probe      {failure.probe}")
    if failure.last_answer:
        output.line(f"    answered   {failure.last_answer}")
    if failure.exit_code is not None:
        oom = " (out of memory)" if failure.oom_killed else ""
        output.line(f"    exit code  {failure.exit_code}{oom}")
    if failure.waited_for_by:
        output.line(f"    blocks     {', '.join(failure.waited_for_by)}")
    for index, line in enumerate(failure.log_tail):
        output.line(f"    {'last lines' if index == 0 else '':<10} | {colourless(line)}")


def _canary(canary: CanaryDocument, output: Output) -> None:
    if canary.verdict == "complete":
        path = " → ".join(canary.services)
        took = duration(canary.elapsed_ms / 1000)
        output.line(f"Traces flow: canary complete, {plural(canary.spans, 'span')} through {path} in {took}")
        if canary.cause:
            output.line(f"  {canary.cause}; add x-devenv.canary to the stack file to have its status checked")
    else:
        output.line(f"Canary {canary.verdict}" + (f": {canary.cause}" if canary.cause else ""))
        if canary.missing:
            output.line(f"  missing: {', '.join(canary.missing)}")
        for line in canary.said:
            output.line(f"  {line.service} logged: {colourless(line.text)}")
    if canary.no_spans_yet:
        output.line(f"  no spans yet from {', '.join(canary.no_spans_yet)}")
    if canary.ui_url:
        output.line(f"  {canary.ui_url}")


_ARRIVE = {True: "spans arrive", False: "no spans yet", None: "not checked"}


def _routes(routes: Sequence[CollectorRouteDocument], output: Output) -> None:
    for route in routes:
        way = f"{', '.join(route.services)} → {route.collector} → {route.backend}"
        output.line(f"{way}: {_ARRIVE[route.spans_arrive]}")


def _places(entrypoint: str | None, backend: TraceBackendDocument | None, output: Output) -> None:
    if entrypoint:
        output.line(f"Entry point  {entrypoint}")
    if backend:
        what = "Jaeger" if backend.kind == "jaeger" else "Traces"
        how = "  (wants a token: open it with `devenv open jaeger`)" if backend.access == "token" else ""
        output.line(f"{what:<12} {backend.ui_url}{how}")
        if backend.storage:
            output.line(f"{'Kept in':<12} {backend.storage}")
        for notice in backend.storage_notices:
            output.warn(f"warning: {notice}")
