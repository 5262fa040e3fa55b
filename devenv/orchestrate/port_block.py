"""The block of host ports that a directory reserves: with ``--isolated``, or if devenv's own backend has to move."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.disk import make_state_directory, replace_file
from devenv.engine.host_ports import is_free_on_loopback
from devenv.errors import EnvironmentFailure, PortTaken

if TYPE_CHECKING:
    from devenv.model.identity import Project
    from devenv.model.stack import Port, Service, Stack

FILE = "ports.json"
FIRST, LAST = 20_000, 32_000
"""The range of the blocks: below Linux's range of ephemeral ports, so that no client uses one by chance."""

BLOCK = 20


def allot(
    project: Project, stack: Stack, *, remember: bool, only: Mapping[str, Collection[int]] | None = None
) -> Stack:
    """Return ``stack`` with its fixed host ports moved into the directory's block, to the same port each time.

    Args:
        project: its ``.devenv/ports.json`` holds the ports.
        stack: with the ports of its files.
        remember: write the file; otherwise a new block is only proposed.
        only: host ports to move, by service; ``None``: all.

    Raises:
        PortTaken: If no block is free.
    """
    path = project.state_directory / FILE
    base, kept = _read(path)
    keys = [
        _key(service, port)
        for service in stack.services.values()
        for port in service.ports
        if port.host and (only is None or port.host in only.get(service.name, ()))
    ]
    if not keys:
        return stack
    missing = [key for key in dict.fromkeys(keys) if key not in kept]
    if missing:
        if base is None:
            base = _free_block(len(set(keys)))
        kept = {**kept, **dict(zip(missing, _unused(base, kept), strict=False))}
        if remember:
            make_state_directory(project.state_directory)
            replace_file(path, json.dumps({"base": base, "ports": kept}, indent=1).encode(), durable=False)
    moved = {key: kept[key] for key in keys}
    services = {service.name: _moved(service, moved) for service in stack.services.values()}
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
        if all(is_free_on_loopback(port) for port in range(base, base + length)):
            return base
    raise PortTaken("no free block of host ports", hint=f"free ports between {FIRST} and {LAST}")


def _unused(base: int, kept: Mapping[str, int]) -> Iterator[int]:
    taken = set(kept.values())
    port = base
    while True:
        if port not in taken and is_free_on_loopback(port):
            yield port
        port += 1


def _moved(service: Service, kept: Mapping[str, int]) -> Service:
    hosts = [kept.get(_key(service, port), port.host) for port in service.ports]
    return replace(service, ports=tuple(replace(p, host=h) for p, h in zip(service.ports, hosts, strict=True)))
