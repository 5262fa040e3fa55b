"""What the engine has of a project, read from its labels."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from devenv.contract.specification import LABEL_KEY
from devenv.engine.docker.inspections import Inspections
from devenv.engine.docker.sdk_connection import SdkConnection
from devenv.engine.docker.translation import NoSuchObject
from devenv.model.identity import LABEL_CONFIG_HASH, LABEL_INSTANCE, LABEL_PROJECT, LABEL_SERVICE, Project
from devenv.model.state import ObservedInstance, ObservedObject, ObservedState, PublishedPort, State

NEVER = "0001-01-01T00:00:00Z"
"""The engine's time of what has not happened yet: Go's zero time."""


def label_filter(project: Project | None) -> dict[str, list[str]]:
    """The engine's ``filters`` for what belongs to ``project``, or to any project if ``None``."""
    return {"label": [LABEL_PROJECT if project is None else f"{LABEL_PROJECT}={project.id}"]}


async def observe(connection: SdkConnection, inspections: Inspections, project: Project | None) -> ObservedState:
    """All containers, networks and volumes of ``project``, asked for at once."""
    filters = label_filter(project)
    containers, networks, volumes = await asyncio.gather(
        connection.call(lambda client: client.containers(all=True, filters=filters), doing="listing containers"),
        connection.call(lambda client: client.networks(filters=filters), doing="listing networks"),
        connection.call(lambda client: client.volumes(filters=filters), doing="listing volumes"),
    )
    instances = await asyncio.gather(*(_inspect(inspections, entry["Id"]) for entry in containers))
    return ObservedState(
        instances=tuple(instance for instance in instances if instance is not None),
        networks=tuple(_object(entry, entry["Id"]) for entry in networks),
        volumes=tuple(_object(entry, entry["Name"]) for entry in volumes.get("Volumes") or ()),
    )


async def _inspect(inspections: Inspections, container_id: str) -> ObservedInstance | None:
    """One container; ``None`` if it was removed since it was listed."""
    try:
        return read_instance(await inspections.now(container_id))
    except NoSuchObject:
        return None


def read_instance(found: Mapping[str, Any]) -> ObservedInstance:
    """A container as ``GET /containers/{id}/json`` describes it."""
    state, labels = found["State"], found["Config"]["Labels"] or {}
    status = _state(state)
    ended = status in (State.EXITED, State.DEAD, State.RESTARTING)
    index = labels.get(LABEL_INSTANCE, "1")
    return ObservedInstance(
        id=found["Id"],
        name=found["Name"].lstrip("/"),
        service=labels.get(LABEL_SERVICE, ""),
        index=int(index) if index.isdecimal() else 1,
        state=status,
        config_hash=labels.get(LABEL_CONFIG_HASH, ""),
        image_id=found["Image"],
        exit_code=state["ExitCode"] if ended else None,
        oom_killed=bool(state.get("OOMKilled")) and ended,
        error=state.get("Error", ""),
        restarts=found.get("RestartCount", 0),
        started_at=read_time(state.get("StartedAt", NEVER)),
        finished_at=read_time(state.get("FinishedAt", NEVER)),
        engine_health=_health(state),
        ports=read_ports(found["NetworkSettings"].get("Ports") or {}),
        labels=labels,
    )


def read_ports(ports: Mapping[str, Any]) -> tuple[PublishedPort, ...]:
    """``NetworkSettings.Ports``, without the doubles that the engine has for IPv6."""
    published: dict[tuple[int, str, int], PublishedPort] = {}
    for name, bindings in ports.items():
        container, _, protocol = name.partition("/")
        for binding in bindings or ():
            if not binding.get("HostPort"):
                continue
            port = PublishedPort(
                host=int(binding["HostPort"]),
                container=int(container),
                address=binding.get("HostIp") or "0.0.0.0",  # noqa: S104 - shown, not bound
                protocol=protocol or "tcp",
            )
            published.setdefault((port.container, port.protocol, port.host), port)
    return tuple(sorted(published.values(), key=lambda port: (port.container, port.host)))


def read_time(text: str) -> float | None:
    """Seconds since the epoch of the engine's RFC 3339 time with up to nine decimals; ``None`` for "never"."""
    if text.startswith(NEVER[:4]):
        return None
    whole, _, rest = text.partition(".")
    if not rest:
        return datetime.fromisoformat(text).timestamp()
    digits = rest.rstrip("Z").partition("+")[0].partition("-")[0]
    zone = rest[len(digits) :]
    return datetime.fromisoformat(whole + zone).timestamp() + float(f"0.{digits}")


def _state(state: Mapping[str, Any]) -> State:
    try:
        return State(state["Status"])
    except ValueError:
        return State.DEAD  # "removing": it is on its way out


def _health(state: Mapping[str, Any]) -> Any:
    status = (state.get("Health") or {}).get("Status")
    return status if status in ("starting", "healthy", "unhealthy") else None


def _object(entry: Mapping[str, Any], object_id: str) -> ObservedObject:
    labels = entry.get("Labels") or {}
    return ObservedObject(
        id=object_id,
        name=entry["Name"],
        key=labels.get(LABEL_KEY, entry["Name"]),
        config_hash=labels.get(LABEL_CONFIG_HASH, ""),
        labels=labels,
    )
