"""Reads the log files that the daemon writes, once or continuously."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from devenv.contract.answers import LogLine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

POLL_S = 0.05
ROTATED = 2


def read_lines(path: Path, since: float | None, tail: int | None) -> list[LogLine]:
    """Lines of a log and of what was rotated out of it, oldest first."""
    files = [path.with_name(f"{path.name}.{number}") for number in range(ROTATED, 0, -1)]
    found: list[LogLine] = []
    for file in (*files, path):
        try:
            found += parsed(file.read_bytes())
        except FileNotFoundError:
            continue
    if since is not None:
        found = [line for line in found if line.time >= since]
    return found if tail is None else found[len(found) - tail :] if tail < len(found) else found


async def follow(
    path: Path, since: float | None, tail: int | None, ended: Callable[[], Awaitable[bool]]
) -> AsyncIterator[LogLine]:
    """Yield the existing lines, then new ones, until ``ended()`` is true."""
    last = 0.0
    for line in read_lines(path, since, tail):
        last = max(last, line.time)
        yield line
    position, inode = _end_of(path)
    while True:
        over = await ended()
        size, current = _end_of(path)
        if current != inode:
            position, inode = 0, current
        if size > position:
            with path.open("rb") as file:
                file.seek(position)
                chunk = file.read()
            whole = chunk[: chunk.rfind(b"\n") + 1]
            position += len(whole)
            for line in parsed(whole):
                yield line
        if over:
            return
        await asyncio.sleep(POLL_S)


def parsed(content: bytes) -> Iterator[LogLine]:
    """Lines ``<seconds> <1|2> <text>`` as the daemon writes them."""
    for line in content.splitlines():
        time, _, rest = line.partition(b" ")
        stream, _, text = rest.partition(b" ")
        yield LogLine(
            time=float(time), stream="stderr" if stream == b"2" else "stdout", text=text.decode(errors="replace")
        )


def _end_of(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_size, found.st_ino
