"""``devenv load``: constant-arrival-rate load on the entry point, every request accounted for in the trace backend."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.app.invocation import read_stack
from devenv.app.load.history import store
from devenv.app.session import Running, running
from devenv.app.urls import entrypoint_url, require_backend
from devenv.errors import UnknownName, UsageError

if TYPE_CHECKING:
    import asyncio

    from devenv.app.invocation import Invocation
    from devenv.clock import Clock
    from devenv.events import Sink
    from devenv.load.options import Stage
    from devenv.model.documents import LoadDocument
    from devenv.model.extension import Scenario
    from devenv.model.stack import Stack


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRequest:
    """What ``load`` is asked to do; times in seconds. ``target`` overrides the entry point's URL."""

    rps: float
    duration: float
    stages: tuple[Stage, ...] = ()
    arrivals: str = "uniform"
    scenario: str | None = None
    target: str | None = None
    max_in_flight: int = 1000
    timeout: float = 10.0
    fail: tuple[str, ...] = ()
    name: str | None = None
    verify: bool = True
    seed: int | None = None


async def load(
    invocation: Invocation, request: LoadRequest, *, clock: Clock, sink: Sink, stop: asyncio.Event
) -> LoadDocument:
    """Run the load and verify its traces; ``stop`` ends it early and keeps what there is.

    Raises:
        NotUp: the project is not up.
        UnknownName: there is no such scenario.
        UsageError: a threshold cannot be read, or there is nothing to send load to.
    """
    from devenv.app.traces.setups import tracing_setups
    from devenv.load.options import LoadOptions
    from devenv.load.run import run_load
    from devenv.traces.client import TraceClient

    async with running(invocation) as project:
        stack = read_stack(invocation).stack
        name, scenario = choose_scenario(stack, request.scenario)
        options = LoadOptions(
            rps=request.rps,
            duration=request.duration,
            stages=request.stages,
            arrivals="poisson" if request.arrivals == "poisson" else "uniform",
            scenario=scenario,
            scenario_name=name,
            target=_target(project, request),
            max_in_flight=request.max_in_flight,
            timeout=request.timeout,
            fail=request.fail,
            name=request.name,
            verify=request.verify,
            sampling=1.0 if stack.x.sampling is None else stack.x.sampling,
            seed=request.seed,
        )
        backend = await require_backend(project)
        async with TraceClient(backend.query_url) as client:
            return await run_load(
                options,
                client=client,
                otlp_http_url=backend.otlp_http_url,
                expected_services=scenario.services or project.record.expected_services,
                clock=clock,
                sink=sink,
                store=store(invocation),
                stop=stop,
                setups=tracing_setups(stack, project.engine.capabilities),
            )


def verdict_code(document: LoadDocument) -> int:
    """Exit code: 130 interrupted; 1 where a threshold is missed or the run is invalid; else 0."""
    if document.interrupted:
        return 130
    return 0 if document.valid and all(threshold.ok for threshold in document.thresholds) else 1


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
        close = difflib.get_close_matches(name, scenarios, n=1)
        hint = f"did you mean {close[0]}?" if close else f"scenarios: {', '.join(scenarios) or 'none'}"
        raise UnknownName(f"no load scenario {name!r}", hint=hint, details={"scenarios": list(scenarios)})
    return name, scenarios[name]


def _target(project: Running, request: LoadRequest) -> str:
    target = request.target or entrypoint_url(project.observed, project.record.entrypoint)
    if target is None:
        raise UsageError(
            "no entry point to send load to",
            hint="set x-devenv.entrypoint to a service that publishes a port, or pass --target URL",
        )
    return target
