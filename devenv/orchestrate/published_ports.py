"""Checks that the host ports of a plan are free."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.engine.host_ports import port_holder
from devenv.errors import PortTaken
from devenv.events import Notice
from devenv.immutable import immutable
from devenv.model.identity import LABEL_DIRECTORY, LABEL_PROJECT, Project

if TYPE_CHECKING:
    from devenv.contract.engine import Engine
    from devenv.events import Sink
    from devenv.model.stack import Stack
    from devenv.model.state import ObservedState
    from devenv.orchestrate.planning.graph import Plan
    from devenv.orchestrate.target import Target

LOOPBACK, LOOPBACK_6 = "127.0.0.1", "::1"
UNKNOWN_OWNER = "another program"
PROXY = "docker-proxy"
"""Program that listens on the host for a container's published port."""


@immutable()
class WantedPort:
    """A host port to publish for ``service``."""

    service: str
    address: str
    port: int
    protocol: str


async def check_free(engine: Engine, target: Target, plan: Plan, observed: ObservedState, *, sink: Sink) -> None:
    """Check that no other program uses a port that the plan publishes.

    A port that is published on 127.0.0.1 alone can be used on ::1 by another program: then ``localhost`` may lead
    there, which is a warning.

    Raises:
        PortTaken: If one is in use; names the first one and its user. Nothing was started.
    """
    starting = {a.service for a in plan.of_kind("create", "replace", "recreate", "start", "restart")}
    names = [name for name in target.services if name in starting]
    wanted = wanted_ports(engine, target.stack, names, observed)
    taken = await taken_ports(engine, wanted)
    if not taken:
        for text in _beside(wanted) if not (await engine.info()).remote else ():
            sink(Notice(message=text, warning=True))
        return
    first = taken[0]
    owner = await owner_of(engine, first, target.project)
    named = "it" if owner == UNKNOWN_OWNER else owner
    others = f" (and {len(taken) - 1} more)" if len(taken) > 1 else ""
    where = f" on {first.address}" if ":" in first.address else ""
    raise PortTaken(
        f"port {first.port}{where} of {first.service} is in use by {owner}{others}",
        hint=f"stop {named}, change ports: in the stack file, or run `devenv up --isolated`",
        details={
            "port": first.port,
            "service": first.service,
            "owner": owner,
            "taken": [{"port": item.port, "service": item.service} for item in taken],
        },
    )


def wanted_ports(engine: Engine, stack: Stack, names: Iterable[str], observed: ObservedState) -> list[WantedPort]:
    """Fixed ports of the services ``names`` of a traced stack, without those that the project uses already."""
    own = {(port.host, port.protocol) for instance in observed.instances for port in instance.ports}
    wanted = [
        WantedPort(name, port.address or LOOPBACK, port.host, port.protocol)
        for name in names
        for port in stack.services[name].ports
        if port.host is not None and (port.host, port.protocol) not in own
    ]
    embedded = stack.trace_backend if engine.capabilities.trace_backend == "embedded" else None
    if embedded is not None:  # it listens on both
        backend = [item for item in wanted if item.service == embedded.name and item.address == LOOPBACK]
        wanted += [replace(item, address=LOOPBACK_6) for item in backend]
    return wanted


async def taken_ports(engine: Engine, wanted: list[WantedPort]) -> list[WantedPort]:
    """Return those that another program uses; none if the engine is on another machine."""
    if not wanted or (await engine.info()).remote:
        return []
    return [item for item in wanted if not is_free(item.address, item.port, item.protocol)]


async def owner_of(engine: Engine, taken: WantedPort, project: Project) -> str:
    """Who uses a port: a service of another project, a container, a process, or :data:`UNKNOWN_OWNER`."""
    return (
        _project_owner(await engine.observe(None), taken, project)
        or await engine.port_owner(taken.port, taken.protocol)
        or _process_owner(taken)
        or UNKNOWN_OWNER
    )


def _beside(wanted: list[WantedPort]) -> Iterator[str]:
    """A warning for each port that another program uses on ::1, while it is published on 127.0.0.1 alone."""
    both = {item.port for item in wanted if item.address != LOOPBACK}
    for item in wanted:
        if item.address != LOOPBACK or item.protocol != "tcp" or item.port in both:
            continue
        if not is_free(LOOPBACK_6, item.port, item.protocol):
            yield (
                f"port {item.port} on {LOOPBACK_6} is in use by {_process_owner(item) or UNKNOWN_OWNER}: "
                f"http://localhost:{item.port} may reach it instead of {item.service}; use 127.0.0.1"
            )


def is_free(address: str, port: int, protocol: str) -> bool:
    """Return whether this machine could listen on a port now; a privileged port that it may not try counts as free."""
    if protocol == "sctp":
        return True
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    try:
        trial = socket.socket(family, kind)
    except OSError:  # this machine has no IPv6
        return True
    with trial:
        if protocol == "tcp":
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((address, port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


def _project_owner(everything: ObservedState, wanted: WantedPort, project: Project) -> str | None:
    """The service of another devenv project that publishes the port."""
    for instance in everything.instances:
        if instance.labels.get(LABEL_PROJECT) == project.id:
            continue
        if any(port.host == wanted.port and port.protocol == wanted.protocol for port in instance.ports):
            other = instance.labels.get(LABEL_PROJECT, "?")
            return f"service {instance.service} of project {other} in {instance.labels.get(LABEL_DIRECTORY, '?')}"
    return None


def _process_owner(wanted: WantedPort) -> str | None:
    holder = port_holder(wanted.port) if wanted.protocol == "tcp" else None
    if holder is not None and holder.name == PROXY:
        return f"a container not started by devenv ({holder})"
    return str(holder) if holder else None
