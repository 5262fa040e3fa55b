"""Processes that devenv starts for its own work: what ends and collects the processes of services leaves them alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_pids: set[int] = set()
_starting: list[object] = []


@asynccontextmanager
async def own_child(*command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a process with pipes as standard input and output; it has ended when the context is left.

    Raises:
        OSError: If it cannot be started.
    """
    _starting.append(command)
    try:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
        _pids.add(process.pid)
    finally:
        _starting.remove(command)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        _pids.discard(process.pid)


def own_children() -> frozenset[int]:
    """The processes that run, by ID."""
    return frozenset(_pids)


def is_starting() -> bool:
    """Whether one is being started, so that its ID is not known yet."""
    return bool(_starting)
