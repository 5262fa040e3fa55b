"""Checks for conflicts: host ports and container names used twice, replicas and platforms that cannot work."""

from __future__ import annotations

from devenv.model.stack import Port, Service
from devenv.stack.checks.merged_stack import MergedStack

_EVERYWHERE = "0.0.0.0"  # noqa: S104 - compared with, not bound


def check_conflicts(merged: MergedStack) -> None:
    """Note what two services, or two instances of one service, cannot both have."""
    for service in merged.active.values():
        _check_replicas(merged, service)
        _check_platform(merged, service)
    _check_ports(merged)
    _check_container_names(merged)


def _check_replicas(merged: MergedStack, service: Service) -> None:
    if service.replicas <= 1:
        return
    base = ("services", service.name)
    if service.container_name:
        merged.add(
            f"container_name allows only one instance, but replicas is {service.replicas}",
            *base,
            "container_name",
            found=service.container_name,
            hint="remove container_name, or run one replica",
        )
    for index, port in enumerate(service.ports):
        room = (port.host_last or port.host or 0) - (port.host or 0) + 1
        if port.host is not None and room < service.replicas:
            merged.add(
                f"{service.replicas} replicas cannot all publish port {port.host}",
                *(*base, "ports", index),
                found=str(port.host),
                expected=f"a range of {service.replicas} ports, or none",
                hint=f"publish a range such as {port.host}-{port.host + service.replicas - 1}:{port.container}",
            )


def _check_platform(merged: MergedStack, service: Service) -> None:
    platforms = service.build.platforms if service.build else ()
    if service.platform and platforms and service.platform not in platforms:
        merged.add(
            f"{service.name} has platform {service.platform}, which is not in build.platforms",
            *("services", service.name, "platform"),
            found=service.platform,
            expected=", ".join(platforms),
            hint="add it to build.platforms",
        )


def _check_ports(merged: MergedStack) -> None:
    """Each host port belongs to one service; of a range, the engine chooses a free port."""
    taken: dict[tuple[int, str], list[tuple[str, Port]]] = {}
    for service in merged.active.values():
        for index, port in enumerate(service.ports):
            if port.host is None or port.host_last is not None:
                continue
            others = taken.setdefault((port.host, port.protocol), [])
            owner = next((name for name, other in others if _overlap(port.address, other.address)), None)
            if owner is not None:
                merged.add(
                    f"host port {port.host}/{port.protocol} is already published by {owner}",
                    *("services", service.name, "ports", index),
                    found=str(port.host),
                    hint="publish another host port",
                )
            others.append((service.name, port))


def _overlap(one: str | None, other: str | None) -> bool:
    """Whether one port cannot be used on both addresses; IPv4 and IPv6 do not overlap."""
    one, other = one or _EVERYWHERE, other or _EVERYWHERE
    if (":" in one) != (":" in other):
        return False
    return one == other or one in (_EVERYWHERE, "::") or other in (_EVERYWHERE, "::")


def _check_container_names(merged: MergedStack) -> None:
    owners: dict[str, str] = {}
    for service in merged.active.values():
        name = service.container_name
        if name is None:
            continue
        if name in owners:
            merged.add(
                f"container_name {name} is already used by service {owners[name]}",
                "services",
                service.name,
                "container_name",
                found=name,
            )
        owners.setdefault(name, service.name)
