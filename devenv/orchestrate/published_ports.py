"""Checks that the host ports of a plan are free."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from devenv.engine.host_ports import port_holder
from devenv.errors import PortTaken
from devenv.events import Notice
from devenv.model.identity import LABEL_DIRECTORY, LABEL_PROJECT, Project

if TYPE_CHECKING:
    from devenv.contract.engine import Engine
    from devenv.events import Sink
    from devenv.model.state import ObservedState
    from devenv.orchestrate.planning.graph import Plan
    from devenv.orchestrate.target import Target

LOOPBACK, LOOPBACK_6 = "127.0.0.1", "::1"
UNKNOWN_OWNER = "another program"
PROXY = "docker-proxy"
"""Program that listens on the host for a container's published port."""


@dataclass(frozen=True, slots=True)
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
    embedded = target.stack.trace_backend if engine.capabilities.trace_backend == "embedded" else None
    wanted = list(_wanted(target, plan, observed))
    if embedded is not None:  # it listens on both
        backend = [item for item in wanted if item.service == embedded.name and item.address == LOOPBACK]
        wanted += [replace(item, address=LOOPBACK_6) for item in backend]
    if not wanted or (await engine.info()).remote:
        return
    taken = [item for item in wanted if not is_free(item.address, item.port, item.protocol)]
    if not taken:
        for text in _beside(wanted):
            sink(Notice(message=text, warning=True))
        return
    first = taken[0]
    everything = await engine.observe(None)
    owner = (
        _project_owner(everything, first, target.project)
        or await engine.port_owner(first.port, first.protocol)
        or _process_owner(first)
        or UNKNOWN_OWNER
    )
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


def _wanted(target: Target, plan: Plan, observed: ObservedState) -> Iterator[WantedPort]:
    """Fixed ports of the instances to start, without those that this project uses already."""
    own = {(port.host, port.protocol) for instance in observed.instances for port in instance.ports}
    starting = {a.service for a in plan.of_kind("create", "replace", "recreate", "start", "restart")}
    for name in target.services:
        if name not in starting:
            continue
        for port in target.stack.services[name].ports:
            if port.host is not None and (port.host, port.protocol) not in own:
                yield WantedPort(name, port.address or LOOPBACK, port.host, port.protocol)


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
