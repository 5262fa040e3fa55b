"""What a killed daemon left: found by pid and start time or by the mark, ended by process group and by the mark."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.engine.process import daemon_file
from devenv.engine.process.daemon_file import RecordedInstance
from devenv.engine.process.membership import cannot_end, end_all, marked, project_directory, running
from devenv.model.identity import LABEL_DIRECTORY, LABEL_PROJECT, LABEL_SERVICE

if TYPE_CHECKING:
    from pathlib import Path

    from devenv.engine.process.membership import Mark, Member

GRACE_S = 2.0
POLL_S = 0.02


def leftovers(directory: Path) -> tuple[RecordedInstance, ...]:
    """Instances that ``daemon.json`` lists, and those of which only processes are left: the file may be removed."""
    found = daemon_file.read(directory)
    recorded = {item.id: item for item in found.instances} if found else {}
    for member in marked(project_directory(directory)):
        if member.mark is not None and member.mark.instance_id not in recorded:
            recorded[member.mark.instance_id] = _unrecorded(member, member.mark)
    return tuple(recorded.values())


async def end(directory: Path, found: RecordedInstance) -> None:
    """End a leftover's process group, with grace, and then what has its mark.

    Raises:
        EngineRefused: If a process cannot be ended.
    """
    await _end_group(found)

    def members() -> tuple[Member, ...]:
        """With its main process, whose mark cannot be read if it is another user's."""
        leader = running(found.pid, found.born) if found.born else ()
        return tuple({*leader, *marked(project_directory(directory), found.id)})

    if left := await end_all(members):
        raise cannot_end(found.name, left)


def _unrecorded(member: Member, mark: Mark) -> RecordedInstance:
    """An instance of which only a marked process tells."""
    return RecordedInstance(
        id=mark.instance_id,
        name=f"{mark.project}-{mark.instance_id}",
        service=mark.service,
        index=mark.index,
        labels={LABEL_PROJECT: mark.project, LABEL_DIRECTORY: mark.directory, LABEL_SERVICE: mark.service},
        pid=member.pid,
        born=member.born,
    )


async def _end_group(found: RecordedInstance) -> None:
    """Does nothing if its pid belongs to another process now."""
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
