"""What a killed daemon left: found by pid and start time, ended by process group."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.engine.process import daemon_file

if TYPE_CHECKING:
    from pathlib import Path

    from devenv.engine.process.daemon_file import RecordedInstance

GRACE_S = 2.0
POLL_S = 0.02


def leftovers(directory: Path) -> tuple[RecordedInstance, ...]:
    """Instances that ``daemon.json`` lists; empty if the last daemon ended in order."""
    found = daemon_file.read(directory)
    return found.instances if found else ()


async def end(found: RecordedInstance) -> None:
    """End a leftover's process group, with grace; does nothing if its pid belongs to another process now."""
    if not found.alive or not _send(found.pid, signal.SIGTERM):
        return
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline:
        if not _send(found.pid, 0):
            return
        await asyncio.sleep(POLL_S)
    _send(found.pid, signal.SIGKILL)


def forget(directory: Path, instance_id: str | None = None) -> None:
    """Remove an instance from ``daemon.json``, or all; the file is removed with the last one."""
    found = daemon_file.read(directory)
    kept = tuple(item for item in found.instances if item.id != instance_id) if found and instance_id else ()
    if found and kept:
        daemon_file.write(directory, replace(found, instances=kept))
    else:
        daemon_file.remove(directory)


def _send(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
