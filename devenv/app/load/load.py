"""``devenv load``: load at a constant arrival rate on the entry point or a URL, verified in the project's backend."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from devenv.app.invocation import read_stack_in_background
from devenv.app.load.history import store
from devenv.app.record import FILE as RECORD_FILE
from devenv.app.session import Running, running
from devenv.app.urls import entrypoint_url, require_backend
from devenv.disk import make_state_directory
from devenv.errors import NEGATIVE_VERDICT, EngineUnavailable, Interrupted, NotUp, UnknownName, UsageError
from devenv.events import Notice
from devenv.suggestions import suggest

if TYPE_CHECKING:
    from collections.abc import Callable

    from devenv.app.invocation import Invocation
    from devenv.clock import Clock
    from devenv.events import Sink
    from devenv.load.options import LoadOptions
    from devenv.model.extension import Scenario
    from devenv.model.load_documents import LoadDocument
    from devenv.model.stack import Stack


async def load(
    invocation: Invocation, options: LoadOptions, *, clock: Clock, sink: Sink, stop: asyncio.Event
) -> LoadDocument:
    """Run the load and verify its traces; ``stop`` ends it early and keeps the requests that were sent.

    With a target of the user's, no project has to run; its traces are then not verified.

    Raises:
        NotUp: If the project is not running, and no target is given.
        UnknownName: If no scenario has that name.
        UsageError: If a threshold cannot be parsed, or if there is no target.
        asyncio.CancelledError: If ``stop`` is set before the first request: there is nothing to keep.
    """
    begun = asyncio.Event()
    waiting = asyncio.create_task(_cancel_before(begun, asyncio.current_task(), stop))
    try:
        return await _load(invocation, options, clock=clock, sink=sink, stop=stop, begun=begun)
    finally:
        waiting.cancel()


async def _cancel_before(begun: asyncio.Event, task: asyncio.Task[object] | None, stop: asyncio.Event) -> None:
    """Cancel ``task`` at ``stop`` unless it has begun to send: an engine that does not respond is not waited for."""
    await stop.wait()
    if task is not None and not begun.is_set():
        task.cancel()


async def _load(
    invocation: Invocation,
    options: LoadOptions,
    *,
    clock: Clock,
    sink: Sink,
    stop: asyncio.Event,
    begun: asyncio.Event,
) -> LoadDocument:
    from devenv.app.traces.called_services import find_callees
    from devenv.app.traces.setups import name_in_spans, tracing_setups, with_refusals
    from devenv.load.run import run_load
    from devenv.load.workload import Workload
    from devenv.traces.client import TraceClient

    async with AsyncExitStack() as opened:
        try:
            project = await opened.enter_async_context(running(invocation))
        except (NotUp, EngineUnavailable):
            if options.target is None:
                raise
            return await _load_without_project(
                invocation, options, options.target, clock=clock, sink=sink, stop=stop, begun=begun
            )
        stack = (await read_stack_in_background(invocation)).stack
        name, scenario = choose_scenario(stack, options.scenario)
        workload = Workload(
            scenario=scenario,
            scenario_name=name,
            target=_target(project, options.target),
            sampling=stack.x.sampling_ratio,
        )
        backend = await require_backend(project)
        entry = stack.services.get(project.record.entrypoint or "")
        make_state_directory(invocation.directory / ".devenv")
        async with TraceClient(backend.query_url, token=backend.token) as client:
            callees = await find_callees(stack, project.observed, project.engine)
            setups = tracing_setups(stack, project.engine.capabilities)
            setups = await with_refusals(setups, stack, project.observed, project.engine)
            begun.set()
            return await run_load(
                options,
                workload,
                client=client,
                otlp_http_url=backend.otlp_http_url,
                expected_services=scenario.services or project.record.expected_services,
                clock=clock,
                sink=sink,
                store=store(invocation),
                stop=stop,
                setups=setups,
                callees=callees,
                entrypoint=name_in_spans(entry) if entry else "",
                gone=removal_check(invocation),
            )


async def _load_without_project(
    invocation: Invocation,
    options: LoadOptions,
    target: str,
    *,
    clock: Clock,
    sink: Sink,
    stop: asyncio.Event,
    begun: asyncio.Event,
) -> LoadDocument:
    """Request the URL ``target`` itself, or a scenario of the stack file below it; no trace is verified."""
    from devenv.load.run import run_load
    from devenv.load.workload import Workload, whole_url

    if options.scenario is None:
        workload = whole_url(target)
    else:
        name, scenario = choose_scenario((await read_stack_in_background(invocation)).stack, options.scenario)
        workload = Workload(scenario=scenario, scenario_name=name, target=target)
    make_state_directory(invocation.directory / ".devenv")
    if options.verify:
        sink(Notice(message="no project is running here, so traces are not verified"))
    begun.set()
    return await run_load(
        options,
        workload,
        client=None,
        otlp_http_url=None,
        expected_services=(),
        clock=clock,
        sink=sink,
        store=store(invocation),
        stop=stop,
    )


def removal_check(invocation: Invocation) -> Callable[[], bool]:
    """Return a function that tells whether `devenv down` has removed the project: it removes the record alone."""
    state = invocation.directory / ".devenv"
    record = state / RECORD_FILE
    if not record.exists():
        return lambda: False  # it was lost before
    return lambda: not record.exists() and state.exists()


def verdict_code(document: LoadDocument) -> int:
    """Exit code: 130 if Ctrl-C or SIGTERM cut the run short, else 1 if the verdict is negative, else 0."""
    if document.interrupted and document.interrupted_by != "down":
        return Interrupted.exit_code
    return NEGATIVE_VERDICT if document.verdict == "failed" else 0


def choose_scenario(stack: Stack, asked: str | None) -> tuple[str, Scenario]:
    """The scenario by name, else the stack's default, else its first, else the canary's request.

    Raises:
        UnknownName: there is no scenario of that name.
    """
    from devenv.model.extension import Scenario

    scenarios = stack.x.load.scenarios
    name = asked or stack.x.load.default or next(iter(scenarios), None)
    if name is None:
        request = stack.x.canary.model_dump() if stack.x.canary else {}
        return "canary", Scenario(**request)
    if name not in scenarios:
        hint = suggest(name, scenarios) or f"scenarios: {', '.join(scenarios) or 'none'}"
        raise UnknownName(f"no load scenario {name!r}", hint=hint, details={"scenarios": list(scenarios)})
    return name, scenarios[name]


def _target(project: Running, asked: str | None) -> str:
    target = asked or entrypoint_url(project.observed, project.record.entrypoint)
    if target is None and project.record.entrypoint:
        raise UsageError(
            f"the entry point {project.record.entrypoint} does not publish a port",
            hint="add one under ports: in the stack file and run `devenv up`, or pass --target URL",
        )
    if target is None:
        raise UsageError(
            "no entry point to send load to",
            hint="set x-devenv.entrypoint to a service that publishes a port, or pass --target URL",
        )
    return target
