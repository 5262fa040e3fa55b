"""Checks that host ports are free, and reserves a block of them for a directory."""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.disk import make_state_directory, replace_file
from devenv.engine.host_ports import port_holder
from devenv.errors import EnvironmentFailure, PortTaken
from devenv.model.identity import LABEL_DIRECTORY, LABEL_PROJECT, Project

if TYPE_CHECKING:
    from devenv.contract.engine import Engine
    from devenv.model.stack import Port, Service, Stack
    from devenv.model.state import ObservedState
    from devenv.orchestrate.planning.graph import Plan
    from devenv.orchestrate.target import Target

FILE = "ports.json"
FIRST, LAST = 20_000, 32_000
"""The range of the blocks: below Linux's range of ephemeral ports, so that no client uses one by chance."""

BLOCK = 20
LOOPBACK = "127.0.0.1"
PROXY = "docker-proxy"
"""Program that listens on the host for a container's published port."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A host port to publish for ``service``."""

    service: str
    address: str
    port: int
    protocol: str


async def check_free(engine: Engine, target: Target, plan: Plan, observed: ObservedState) -> None:
    """Check that no other program uses a port that the plan publishes.

    Raises:
        PortTaken: If one is in use; names the first one and its user. Nothing was started.
    """
    wanted = list(_wanted(target, plan, observed))
    if not wanted or (await engine.info()).remote:
        return
    taken = [item for item in wanted if not is_free(item.address, item.port, item.protocol)]
    if not taken:
        return
    first = taken[0]
    everything = await engine.observe(None)
    owner = _project_owner(everything, first, target.project) or _process_owner(first) or "another program"
    others = f" (and {len(taken) - 1} more)" if len(taken) > 1 else ""
    raise PortTaken(
        f"port {first.port} of {first.service} is in use by {owner}{others}",
        hint="stop it, change ports: in the stack file, or run `devenv up --isolated`",
        details={
            "port": first.port,
            "service": first.service,
            "owner": owner,
            "taken": [{"port": item.port, "service": item.service} for item in taken],
        },
    )


def _wanted(target: Target, plan: Plan, observed: ObservedState) -> Iterator[Wanted]:
    """Fixed ports of the instances to start, without those that this project uses already."""
    own = {(port.host, port.protocol) for instance in observed.instances for port in instance.ports}
    starting = {a.service for a in plan.of_kind("create", "replace", "recreate", "start", "restart")}
    for name in target.services:
        if name not in starting:
            continue
        for port in target.stack.services[name].ports:
            if port.host is not None and (port.host, port.protocol) not in own:
                yield Wanted(name, port.address or LOOPBACK, port.host, port.protocol)


def is_free(address: str, port: int, protocol: str) -> bool:
    """Return whether this machine could listen on a port now; a privileged port that it may not try counts as free."""
    if protocol == "sctp":
        return True
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family, kind) as trial:
        if protocol == "tcp":
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((address, port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


def _project_owner(everything: ObservedState, wanted: Wanted, project: Project) -> str | None:
    """The service of another devenv project that publishes the port."""
    for instance in everything.instances:
        if instance.labels.get(LABEL_PROJECT) == project.id:
            continue
        if any(port.host == wanted.port and port.protocol == wanted.protocol for port in instance.ports):
            other = instance.labels.get(LABEL_PROJECT, "?")
            return f"service {instance.service} of project {other} in {instance.labels.get(LABEL_DIRECTORY, '?')}"
    return None


def _process_owner(wanted: Wanted) -> str | None:
    holder = port_holder(wanted.port) if wanted.protocol == "tcp" else None
    if holder is not None and holder.name == PROXY:
        return f"a container not started by devenv ({holder})"
    return str(holder) if holder else None


# --- ports reserved for a directory ---


def allot(project: Project, stack: Stack, *, remember: bool) -> Stack:
    """Return ``stack`` with every fixed host port moved into the directory's block, to the same port each time.

    Args:
        project: its ``.devenv/ports.json`` holds the ports.
        stack: with the ports of its files.
        remember: write the file; otherwise a new block is only proposed.

    Raises:
        PortTaken: If no block is free.
    """
    path = project.state_directory / FILE
    base, kept = _read(path)
    keys = [_key(service, port) for service in stack.services.values() for port in service.ports if port.host]
    missing = [key for key in dict.fromkeys(keys) if key not in kept]
    if missing:
        if base is None:
            base = _free_block(len(set(keys)))
        kept = {**kept, **dict(zip(missing, _unused(base, kept), strict=False))}
        if remember:
            make_state_directory(project.state_directory)
            replace_file(path, json.dumps({"base": base, "ports": kept}, indent=1).encode(), durable=False)
    services = {service.name: _moved(service, kept) for service in stack.services.values()}
    return replace(stack, services=services)


def _read(path: Path) -> tuple[int | None, dict[str, int]]:
    try:
        data = json.loads(path.read_text())
        return int(data["base"]), {str(key): int(port) for key, port in data["ports"].items()}
    except FileNotFoundError:
        return None, {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise EnvironmentFailure(
            f"cannot read {path}: {error}", hint="remove the file; devenv then allocates new ports"
        ) from error


def _key(service: Service, port: Port) -> str:
    return f"{service.name}:{port.host}:{port.container}/{port.protocol}"


def _free_block(size: int) -> int:
    """The first block with all ports free now; the start of the search depends on the process ID."""
    length = max(BLOCK, size)
    blocks = list(range(FIRST, LAST - length, length))
    offset = os.getpid() % len(blocks)
    for base in [*blocks[offset:], *blocks[:offset]]:
        if all(is_free(LOOPBACK, port, "tcp") for port in range(base, base + length)):
            return base
    raise PortTaken("no free block of host ports", hint=f"free ports between {FIRST} and {LAST}")


def _unused(base: int, kept: Mapping[str, int]) -> Iterator[int]:
    taken = set(kept.values())
    port = base
    while True:
        if port not in taken and is_free(LOOPBACK, port, "tcp"):
            yield port
        port += 1


def _moved(service: Service, kept: Mapping[str, int]) -> Service:
    ports = tuple(replace(port, host=kept[_key(service, port)]) if port.host else port for port in service.ports)
    return replace(service, ports=ports)
