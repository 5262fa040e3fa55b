"""``devenv load``: constant-arrival-rate load on the entry point, every request accounted for in the trace backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.app.invocation import read_stack
from devenv.app.load.history import store
from devenv.app.session import Running, running
from devenv.app.urls import entrypoint_url, require_backend
from devenv.errors import NEGATIVE_VERDICT, UnknownName, UsageError
from devenv.suggestions import suggest

if TYPE_CHECKING:
    import asyncio

    from devenv.app.invocation import Invocation
    from devenv.clock import Clock
    from devenv.events import Sink
    from devenv.load.options import LoadOptions
    from devenv.model.documents import LoadDocument
    from devenv.model.extension import Scenario
    from devenv.model.stack import Stack


async def load(
    invocation: Invocation, options: LoadOptions, *, clock: Clock, sink: Sink, stop: asyncio.Event
) -> LoadDocument:
    """Run the load and verify its traces; ``stop`` ends it early and keeps the requests that were sent.

    Raises:
        NotUp: If the project is not running.
        UnknownName: If no scenario has that name.
        UsageError: If a threshold cannot be parsed, or if there is no target.
    """
    from devenv.app.traces.called_services import find_callees
    from devenv.app.traces.setups import name_in_spans, tracing_setups
    from devenv.load.run import run_load
    from devenv.load.workload import Workload
    from devenv.traces.client import TraceClient

    async with running(invocation) as project:
        stack = read_stack(invocation).stack
        name, scenario = choose_scenario(stack, options.scenario)
        workload = Workload(
            scenario=scenario,
            scenario_name=name,
            target=_target(project, options.target),
            sampling=1.0 if stack.x.sampling is None else stack.x.sampling,
        )
        backend = await require_backend(project)
        entry = stack.services.get(project.record.entrypoint or "")
        async with TraceClient(backend.query_url) as client:
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
                setups=tracing_setups(stack, project.engine.capabilities),
                callees=await find_callees(stack, project.observed, project.engine),
                entrypoint=name_in_spans(entry) if entry else "",
            )


def verdict_code(document: LoadDocument) -> int:
    """Exit code: 130 interrupted; 1 where a threshold is missed or the run is invalid; else 0."""
    if document.interrupted:
        return 130
    return 0 if document.valid and all(threshold.ok for threshold in document.thresholds) else NEGATIVE_VERDICT


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
    if target is None:
        raise UsageError(
            "no entry point to send load to",
            hint="set x-devenv.entrypoint to a service that publishes a port, or pass --target URL",
        )
    return target
