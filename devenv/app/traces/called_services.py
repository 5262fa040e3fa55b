"""Under which addresses the services of a running stack are called, and which of them have spans if they are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from devenv.analysis.callees import Callees
from devenv.app.traces.setups import is_traced, names_in_spans
from devenv.model.state import State
from devenv.orchestrate.instrumentation.infrastructure import image_of, kind_of_image
from devenv.traces.query import Query

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from devenv.contract.engine import Engine
    from devenv.model.stack import Service, Stack
    from devenv.model.state import ObservedState
    from devenv.traces.source import TraceSource

_CLOCKS_S = 1.0
"""How far the services' clocks may be ahead."""

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_HOST_ADDRESSES = ("host.docker.internal", "gateway.docker.internal")


def traced_services(stack: Stack) -> dict[str, str]:
    """The service names in spans of the services that are expected to send spans, by service.

    Databases, brokers, tools and web servers, known by their image, are left out, as are services that the stack file
    excludes from tracing.
    """
    return {service: name for name, service in names_in_spans(stack).items() if _sends_spans(stack, service)}


def named_services(stack: Stack) -> dict[str, str]:
    """The name of each service in traces, by service: also of databases and brokers, but not of the trace backend."""
    return {service: name for name, service in names_in_spans(stack).items()}


async def find_callees(
    stack: Stack, observed: ObservedState, engine: Engine, names: Mapping[str, str] | None = None
) -> Callees:
    """The addresses of the services that have spans if they are called.

    Args:
        stack: as resolved from its files.
        observed: the running instances.
        engine: knows the ports that it has chosen.
        names: names by service, of other services than those that have spans.
    """
    named = traced_services(stack) if names is None else names
    hosts = {name.lower(): name for name in named.values()}
    ports: dict[tuple[str, int], str] = {}
    shared = _LOOPBACK if engine.capabilities.shared_loopback else _HOST_ADDRESSES
    for service, name in named.items():
        hosts |= dict.fromkeys((host.lower() for host in stack.services[service].host_names), name)
        numbers = await _ports(stack.services[service], observed, engine)
        ports |= {(host, number): name for number in numbers for host in shared}
    for service in stack.services.keys() - named.keys():
        hosts.pop(service.lower(), None)
    return Callees(hosts=hosts, ports=ports)


async def _ports(service: Service, observed: ObservedState, engine: Engine) -> set[int]:
    """The ports of this machine that lead to a service; those of containers only if they are published."""
    instances = observed.of(service.name)
    found = {port.host for instance in instances for port in instance.ports if port.host and port.protocol == "tcp"}
    if engine.capabilities.shared_loopback:
        wanted = [(instance.id, port) for instance in instances for port in service.container_ports]
        answers = await asyncio.gather(*(engine.endpoint(instance, port) for instance, port in wanted))
        found |= {answer.port for answer in answers if answer is not None}
    return found


async def services_without_spans(
    client: TraceSource, stack: Stack, observed: ObservedState, *, now: float, seen: Collection[str] = ()
) -> list[str]:
    """The running services that are expected to send spans but have sent none since they started, sorted.

    Args:
        client: of the trace backend.
        stack: as resolved from its files.
        observed: the running instances.
        now: seconds since the epoch.
        seen: service names whose spans are known, so that nothing is asked.
    """
    started = started_at(traced_services(stack), observed)
    return await without_spans(client, {name: time for name, time in started.items() if name not in seen}, now=now)


def started_at(traced: Mapping[str, str], observed: ObservedState) -> dict[str, float]:
    """When the running services of ``traced`` (service names in spans by service) started, by service name in spans."""
    found: dict[str, float] = {}
    for service, name in traced.items():
        times = [item.started_at or 0.0 for item in observed.of(service) if item.state is State.RUNNING]
        if times:
            found[name] = min(times)
    return found


async def without_spans(client: TraceSource, started: Mapping[str, float], *, now: float) -> list[str]:
    """Those of ``started`` that have sent no span since then, sorted.

    Args:
        client: of the trace backend.
        started: seconds since the epoch by service name in spans.
        now: seconds since the epoch.
    """
    if not started:
        return []
    known = set(await client.services())
    older = sorted(started.keys() & known)
    end_ns = int((now + _CLOCKS_S) * 1e9)
    queries = (Query(service=name, start_ns=int(started[name] * 1e9), end_ns=end_ns, limit=1) for name in older)
    recent = await asyncio.gather(*(client.find(query) for query in queries))
    sent = {name for name, traces in zip(older, recent, strict=True) if traces}
    return sorted(started.keys() - sent)


async def require_service(client: TraceSource, service: str) -> None:
    """Check that the trace backend knows a service; without spans in the time that is looked at, it may be known.

    Raises:
        UnknownName: If it does not; the message names those that it knows.
    """
    from devenv.errors import UnknownName
    from devenv.suggestions import suggest

    known = await client.services()
    if service not in known:
        expected = ", ".join(known) or "none"
        raise UnknownName(
            f"--service: no spans of service {service!r}, expected one of: {expected}", hint=suggest(service, known)
        )


def _sends_spans(stack: Stack, name: str) -> bool:
    service = stack.services[name]
    return is_traced(service) and kind_of_image(image_of(service)) is None
