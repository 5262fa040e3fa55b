"""Host ports: who holds those that are wanted, and the block of its own that a directory keeps."""

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
from devenv.engine.ports import port_holder
from devenv.errors import EnvironmentFailure, PortTaken
from devenv.model.identity import LABEL_DIRECTORY, LABEL_PROJECT, Project

if TYPE_CHECKING:
    from devenv.contract.engine import Engine
    from devenv.model.plan import Plan
    from devenv.model.stack import Port, Service, Stack
    from devenv.model.state import ObservedState
    from devenv.orchestrate.target import Target

FILE = "ports.json"
FIRST, LAST = 20_000, 32_000
"""Blocks are taken from here: below Linux's range of ephemeral ports, so that no client takes one by chance."""

BLOCK = 20
LOOPBACK = "127.0.0.1"
PROXY = "docker-proxy"
"""Program that listens on the host for a container's published port."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A host port that is about to be published for ``service``."""

    service: str
    address: str
    port: int
    protocol: str


async def check_free(engine: Engine, target: Target, plan: Plan, observed: ObservedState) -> None:
    """Make sure that nobody else holds a port which the plan is about to publish.

    Raises:
        PortTaken: names the first that is taken and by whom; nothing was started.
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
        f"port {first.port} of {first.service} is taken by {owner}{others}",
        hint="stop that, or run with --isolated for ports of this directory's own, or change ports in the stack file",
        details={
            "port": first.port,
            "service": first.service,
            "owner": owner,
            "taken": [{"port": item.port, "service": item.service} for item in taken],
        },
    )


def _wanted(target: Target, plan: Plan, observed: ObservedState) -> Iterator[Wanted]:
    """Fixed ports of what is to start, without those that this project holds already."""
    own = {(port.host, port.protocol) for instance in observed.instances for port in instance.ports}
    starting = {a.service for a in plan.of_kind("create", "replace", "recreate", "start", "restart")}
    for name in target.services:
        if name not in starting:
            continue
        for port in target.stack.services[name].ports:
            if port.host is not None and (port.host, port.protocol) not in own:
                yield Wanted(name, port.address or LOOPBACK, port.host, port.protocol)


def is_free(address: str, port: int, protocol: str) -> bool:
    """Whether this machine could listen on a port now; where it may not try (privileged), it counts as free."""
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
    """A service of another project of devenv that publishes the port."""
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
        return f"a container that is not devenv's ({holder})"
    return str(holder) if holder else None


# --- ports of a directory's own ---


def allot(project: Project, stack: Stack, *, remember: bool) -> Stack:
    """``stack`` with every fixed host port moved into the directory's block; the same ones each time.

    Args:
        project: keeps them in ``.devenv/ports.json``.
        stack: with the ports of its file.
        remember: write the file; without it a new block is only proposed.

    Raises:
        PortTaken: there is no free block left.
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
            f"{path} cannot be read: {error}", hint="remove it to have a new block of ports allotted"
        ) from error


def _key(service: Service, port: Port) -> str:
    return f"{service.name}:{port.host}:{port.container}/{port.protocol}"


def _free_block(size: int) -> int:
    """The first block of which every port is free now; the start of the search differs by process id."""
    length = max(BLOCK, size)
    blocks = list(range(FIRST, LAST - length, length))
    offset = os.getpid() % len(blocks)
    for base in [*blocks[offset:], *blocks[:offset]]:
        if all(is_free(LOOPBACK, port, "tcp") for port in range(base, base + length)):
            return base
    raise PortTaken("no block of free host ports is left", hint=f"free ports between {FIRST} and {LAST}")


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
