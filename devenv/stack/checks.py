"""Checks that need the whole stack."""

from __future__ import annotations

from collections.abc import Iterator

from devenv.model.extension import StackExtension
from devenv.model.stack import Service
from devenv.stack.conflicts import check_conflicts
from devenv.stack.references import check_references
from devenv.stack.whole import Whole


def check(whole: Whole) -> None:
    """Notes all problems of the whole stack."""
    check_references(whole)
    check_conflicts(whole)
    for service in whole.active.values():
        _check_platform(whole, service)
    _check_extension(whole)


def _check_platform(whole: Whole, service: Service) -> None:
    platforms = service.build.platforms if service.build else ()
    if service.platform and platforms and service.platform not in platforms:
        whole.add(
            f"{service.name} runs on {service.platform}, and is not built for it",
            *("services", service.name, "platform"),
            found=service.platform,
            expected=", ".join(platforms),
            hint="add it to build.platforms",
        )


def _named_in_traces(x: StackExtension) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The names of services, as traces have them, in the canary, the scenarios and the objectives."""
    yield from ((("canary", "services", i), name) for i, name in enumerate(x.canary.services if x.canary else ()))
    for scenario, request in x.load.scenarios.items():
        yield from ((("load", "scenarios", scenario, "services", i), name) for i, name in enumerate(request.services))
    yield from ((("slo", name), name) for name in x.slo)


def _traced_names(service: Service) -> Iterator[str]:
    """Names under which a service appears in traces where its environment gives it another one than its key."""
    yield from filter(None, [service.environment.get("OTEL_SERVICE_NAME")])
    for attribute in service.environment.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","):
        name, _, value = attribute.partition("=")
        if name.strip() == "service.name":
            yield value.strip()


def _check_extension(whole: Whole) -> None:
    x, active = whole.x, whole.active
    known = whole.defined("services")
    if x.entrypoint is not None:
        if x.entrypoint not in known:
            whole.unknown("service", x.entrypoint, active, ("x-devenv", "entrypoint"), "")
        elif not whole.problems.found and x.entrypoint in active and not active[x.entrypoint].container_ports:
            whole.add(
                f"the entrypoint {x.entrypoint} has no port",
                "x-devenv",
                "entrypoint",
                found=x.entrypoint,
                hint=f"give {x.entrypoint} ports or expose",
            )
    traced = {*known, *(name for service in active.values() for name in _traced_names(service))}
    for path, name in _named_in_traces(x):
        if name not in traced:
            hint = "name a service, or what its OTEL_SERVICE_NAME says"
            whole.unknown("service", name, sorted(traced), ("x-devenv", *path), hint)
    backends = [service.name for service in active.values() if service.x.role == "trace-backend"]
    for name in backends[1:]:
        whole.add(
            f"{backends[0]} is the trace backend already",
            *("services", name, "x-devenv", "role"),
            found="trace-backend",
            hint="one service can have this role",
        )
