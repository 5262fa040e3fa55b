"""Checks ``x-devenv``: the entry point, the services named in traces, and the trace backend."""

from __future__ import annotations

from collections.abc import Iterator

from devenv.model.extension import Sampling, StackExtension
from devenv.model.stack import Service
from devenv.stack.checks.merged_stack import MergedStack


def _named_in_traces(x: StackExtension) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Paths and names of the services that are expected in traces: by the canary, scenarios, objectives, sampling."""
    yield from ((("canary", "services", i), name) for i, name in enumerate(x.canary.services if x.canary else ()))
    for scenario, request in x.load.scenarios.items():
        yield from ((("load", "scenarios", scenario, "services", i), name) for i, name in enumerate(request.services))
    for name, objective in x.slo.items():
        yield (("slo", name), name) if objective.service is None else (("slo", name, "service"), objective.service)
    if isinstance(x.sampling, Sampling):
        yield from ((("sampling", "services", name), name) for name in x.sampling.services)


def _traced_names(service: Service) -> Iterator[str]:
    """Names of a service in traces that its environment sets, in place of its key."""
    yield from filter(None, [service.environment.get("OTEL_SERVICE_NAME")])
    for attribute in service.environment.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","):
        name, _, value = attribute.partition("=")
        if name.strip() == "service.name":
            yield value.strip()


def check_tracing_setup(merged: MergedStack) -> None:
    """Note what is wrong with the references of ``x-devenv`` and the role of the trace backend."""
    x, active = merged.x, merged.active
    known = merged.defined("services")
    if x.entrypoint is not None:
        if x.entrypoint not in known:
            merged.unknown("service", x.entrypoint, active, ("x-devenv", "entrypoint"), "")
        elif not merged.problems.found and x.entrypoint in active and not active[x.entrypoint].container_ports:
            merged.add(
                f"entry point {x.entrypoint} has no port",
                "x-devenv",
                "entrypoint",
                found=x.entrypoint,
                hint=f"add ports or expose to {x.entrypoint}",
            )
    traced = {*known, *(name for service in active.values() for name in _traced_names(service))}
    for path, name in _named_in_traces(x):
        if name not in traced:
            hint = "use a service's name or its OTEL_SERVICE_NAME"
            merged.unknown("service", name, sorted(traced), ("x-devenv", *path), hint)
    backends = [service.name for service in active.values() if service.x.role == "trace-backend"]
    for name in backends[1:]:
        merged.add(
            f"{backends[0]} is already the trace backend",
            *("services", name, "x-devenv", "role"),
            found="trace-backend",
            hint="remove the role from one of them",
        )
