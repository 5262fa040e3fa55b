"""Checks that need the whole stack: references, cycles, ports and names that can be taken only once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from devenv.errors import Location
from devenv.model.extension import StackExtension
from devenv.model.stack import Port, Service
from devenv.stack.networking import DEFAULT_NETWORK
from devenv.stack.nodes import Entry, ListNode, MapNode, Node, ScalarNode, plain
from devenv.stack.problems import Problems, suggest

_EVERYWHERE = "0.0.0.0"  # noqa: S104 - compared with, not bound


@dataclass(frozen=True, slots=True)
class Whole:
    """The stack as far as it is known when it is checked; ``active`` are the services that would run."""

    document: MapNode
    active: Mapping[str, Service]
    inactive: Sequence[str]
    x: StackExtension
    problems: Problems

    def defined(self, section: str) -> tuple[str, ...]:
        """Keys of a top-level section."""
        node = self.document.get(section)
        return tuple(node.entries) if isinstance(node, MapNode) else ()

    def place(self, *path: str | int) -> Location:
        """Place of the value at ``path``, of the key where that is a name itself, or of what is nearest above it."""
        node: Node = self.document
        place = node.place
        for step in path:
            entry = _step(node, step)
            if entry is None:
                break
            node, place = entry.node, entry.key_place
        return node.place if isinstance(node, ScalarNode) and node.value is not None else place

    def add(self, message: str, *path: str | int, found: str = "", expected: str = "", hint: str = "") -> None:
        """Notes a problem with what stands at ``path``."""
        key = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
        self.problems.add(message, self.place(*path), key=key, found=found, expected=expected, hint=hint)


def _step(node: Node, step: str | int) -> Entry | None:
    if isinstance(node, MapNode):
        return node.entries.get(str(step))
    if isinstance(node, ListNode) and isinstance(step, int) and step < len(node.items):
        item = node.items[step]
        return Entry(key_place=item.place, node=item)
    return None


def check(whole: Whole) -> None:
    """Notes all problems of the whole stack."""
    for service in whole.active.values():
        _check_references(whole, service)
        _check_dependencies(whole, service)
        _check_replicas(whole, service)
    _check_cycles(whole)
    _check_ports(whole)
    _check_container_names(whole)
    _check_extension(whole)


def _unknown(whole: Whole, kind: str, name: str, known: Iterable[str], path: tuple[str | int, ...], hint: str) -> None:
    known = tuple(known)
    whole.add(
        f"{kind} {name!r} is not defined",
        *path,
        found=name,
        expected=", ".join(known) or f"no {kind} is defined",
        hint=suggest(name, known) or hint,
    )


def _check_references(whole: Whole, service: Service) -> None:
    base = ("services", service.name)
    networks = (*whole.defined("networks"), DEFAULT_NETWORK)
    for attachment in service.networks:
        if attachment.network not in networks:
            hint = f"add it under networks: at the top level ({attachment.network}: {{}})"
            _unknown(whole, "network", attachment.network, networks, (*base, "networks", attachment.network), hint)
    volumes = whole.defined("volumes")
    for mount in service.mounts:
        if mount.kind == "volume" and mount.source and mount.source not in volumes:
            hint = f"add it under volumes: at the top level, or write ./{mount.source} for a directory"
            path = (*base, "volumes", _position(whole, service.name, mount.source))
            _unknown(whole, "volume", mount.source, volumes, path, hint)
    for section, mounts in (("secrets", service.secrets), ("configs", service.configs)):
        for mount_index, file in enumerate(mounts):
            if file.source not in whole.defined(section):
                hint = f"add it under {section}: at the top level"
                path = (*base, section, mount_index)
                _unknown(whole, section[:-1], file.source, whole.defined(section), path, hint)


def _position(whole: Whole, service: str, source: str) -> int:
    """Index of the mount of ``source`` in the service's ``volumes``."""
    node: Node | None = whole.document
    for step in ("services", service, "volumes"):
        node = node.get(step) if isinstance(node, MapNode) else None
    items = [plain(item) for item in node.items] if isinstance(node, ListNode) else []
    return next((i for i, item in enumerate(items) if isinstance(item, dict) and item.get("source") == source), 0)


def _check_dependencies(whole: Whole, service: Service) -> None:
    for dependency in service.depends_on:
        name, path = dependency.service, ("services", service.name, "depends_on", dependency.service)
        if name in whole.active or (name in whole.inactive and not dependency.required):
            continue
        if name in whole.inactive:
            whole.add(
                f"service {service.name} depends on {name}, which none of the active profiles includes",
                *path,
                found=name,
                hint=f"activate a profile of {name}, or write `required: false` beside its condition",
            )
        elif name not in whole.defined("services"):  # else it is there and has problems of its own
            _unknown(whole, "service", name, whole.active, path, "add it under services:")


def _check_replicas(whole: Whole, service: Service) -> None:
    if service.replicas <= 1:
        return
    base = ("services", service.name)
    if service.container_name:
        whole.add(
            f"container_name allows one instance only, and {service.replicas} are wanted",
            *base,
            "container_name",
            found=service.container_name,
            hint="remove container_name, or run one replica",
        )
    for index, port in enumerate(service.ports):
        room = (port.host_last or port.host or 0) - (port.host or 0) + 1
        if port.host is not None and room < service.replicas:
            whole.add(
                f"{service.replicas} replicas cannot all publish port {port.host}",
                *(*base, "ports", index),
                found=str(port.host),
                expected=f"a range of {service.replicas} ports, or none",
                hint=f"publish a range such as {port.host}-{port.host + service.replicas - 1}:{port.container}",
            )


def _check_cycles(whole: Whole) -> None:
    edges = {
        name: [dependency.service for dependency in service.depends_on if dependency.service in whole.active]
        for name, service in whole.active.items()
    }
    reported: set[frozenset[str]] = set()
    for cycle in _cycles(edges):
        if frozenset(cycle) in reported:
            continue
        reported.add(frozenset(cycle))
        path = " → ".join((*cycle, cycle[0]))
        following = cycle[1] if len(cycle) > 1 else cycle[0]
        place = ("services", cycle[0], "depends_on", following)
        whole.add(f"services depend on each other in a circle: {path}", *place, found=path, expected="no circle")


def _cycles(edges: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """Cycles that a depth-first search meets; an explicit stack, so that long chains do not recurse."""
    done: set[str] = set()
    for root in edges:
        path: list[str] = []
        stack: list[tuple[str, bool]] = [(root, False)]
        while stack:
            name, leaving = stack.pop()
            if leaving:
                done.add(path.pop())
            elif name in path:
                yield tuple(path[path.index(name) :])
            elif name not in done:
                path.append(name)
                stack.append((name, True))
                stack.extend((following, False) for following in reversed(edges[name]))


def _check_ports(whole: Whole) -> None:
    """Each port of the host goes to one service; a range is left to the engine, which finds a free one in it."""
    taken: dict[tuple[int, str], list[tuple[str, Port]]] = {}
    for service in whole.active.values():
        for index, port in enumerate(service.ports):
            if port.host is None or port.host_last is not None:
                continue
            others = taken.setdefault((port.host, port.protocol), [])
            owner = next((name for name, other in others if _overlap(port.address, other.address)), None)
            if owner is not None:
                whole.add(
                    f"port {port.host}/{port.protocol} of the host is published by {owner} already",
                    *("services", service.name, "ports", index),
                    found=str(port.host),
                    hint="publish another port of the host",
                )
            others.append((service.name, port))


def _overlap(one: str | None, other: str | None) -> bool:
    """Whether two addresses cannot hold the same port; IPv4 and IPv6 do not meet."""
    one, other = one or _EVERYWHERE, other or _EVERYWHERE
    if (":" in one) != (":" in other):
        return False
    return one == other or one in (_EVERYWHERE, "::") or other in (_EVERYWHERE, "::")


def _check_container_names(whole: Whole) -> None:
    owners: dict[str, str] = {}
    for service in whole.active.values():
        name = service.container_name
        if name is None:
            continue
        if name in owners:
            whole.add(
                f"container_name {name} is taken by service {owners[name]}",
                "services",
                service.name,
                "container_name",
                found=name,
            )
        owners.setdefault(name, service.name)


def _check_extension(whole: Whole) -> None:
    x, active = whole.x, whole.active
    known = whole.defined("services")
    if x.entrypoint is not None:
        if x.entrypoint not in known:
            _unknown(whole, "service", x.entrypoint, active, ("x-devenv", "entrypoint"), "")
        elif not whole.problems.found and x.entrypoint in active and not active[x.entrypoint].container_ports:
            whole.add(
                f"the entrypoint {x.entrypoint} has no port",
                "x-devenv",
                "entrypoint",
                found=x.entrypoint,
                hint=f"give {x.entrypoint} ports or expose",
            )
    for index, name in enumerate(x.canary.services if x.canary else ()):
        if name not in known:
            _unknown(whole, "service", name, active, ("x-devenv", "canary", "services", index), "")
    for scenario, request in x.load.scenarios.items():
        for index, name in enumerate(request.services):
            if name not in known:
                path = ("x-devenv", "load", "scenarios", scenario, "services", index)
                _unknown(whole, "service", name, active, path, "")
    for name in x.slo:
        if name not in known:
            _unknown(whole, "service", name, active, ("x-devenv", "slo", name), "")
    backends = [service.name for service in active.values() if service.x.role == "trace-backend"]
    for name in backends[1:]:
        whole.add(
            f"{backends[0]} is the trace backend already",
            *("services", name, "x-devenv", "role"),
            found="trace-backend",
            hint="one service can have this role",
        )
