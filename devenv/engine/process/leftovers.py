"""What a daemon that was killed left behind: found by pid and start time, ended by process group."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devenv.disk import replace_file
from devenv.engine.process.identity import start_time

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

GRACE_S = 2.0
POLL_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """An instance of a daemon that is gone; ``alive`` where its process still runs."""

    id: str
    name: str
    service: str
    index: int
    labels: Mapping[str, str]
    pid: int
    alive: bool


def leftovers(directory: Path) -> tuple[Leftover, ...]:
    """Instances that ``daemon.json`` lists; empty where there is none: the last daemon ended in order."""
    try:
        document = json.loads((directory / "daemon.json").read_text())
    except (OSError, ValueError):
        return ()
    return tuple(_leftover(row) for row in document.get("instances", ()))


def daemon_process(directory: Path) -> int | None:
    """Pid of the daemon that wrote ``daemon.json`` if that very process still runs."""
    try:
        document = json.loads((directory / "daemon.json").read_text())
    except (OSError, ValueError):
        return None
    return document["pid"] if start_time(document["pid"]) == document["born"] else None


async def end(found: Leftover) -> None:
    """End a leftover's process group, with grace; nothing happens where its pid is somebody else's by now."""
    if not found.alive or not _send(found.pid, signal.SIGTERM):
        return
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline:
        if not _send(found.pid, 0):
            return
        await asyncio.sleep(POLL_S)
    _send(found.pid, signal.SIGKILL)


def forget(directory: Path, instance_id: str | None = None) -> None:
    """Take an instance out of ``daemon.json``, or all; the file goes with the last one."""
    path = directory / "daemon.json"
    kept: list[dict[str, Any]] = []
    document: dict[str, Any] = {}
    if instance_id is not None and path.exists():
        document = json.loads(path.read_text())
        kept = [row for row in document["instances"] if row["id"] != instance_id]
    if kept:
        replace_file(path, json.dumps({**document, "instances": kept}).encode(), durable=False)
    else:
        path.unlink(missing_ok=True)


def _leftover(row: Mapping[str, Any]) -> Leftover:
    born = int(row["born"])
    return Leftover(
        id=row["id"],
        name=row["name"],
        service=row["service"],
        index=row["index"],
        labels=row["labels"],
        pid=row["pid"],
        alive=bool(born) and start_time(row["pid"]) == born,
    )


def _send(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
