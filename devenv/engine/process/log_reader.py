"""Reads the log files that the daemon writes, once or continuously.

A line ends at a line feed and at nothing else: a service may write any other byte. A line that is not as the daemon
writes it (``<seconds> <1|2> <text>``) is shown as it is, with the time of its neighbour. What was stored of a line
before its end and what follows of it (``<seconds> <1|2>+ <text>``) are one line again, if both are there by then.
"""

from __future__ import annotations

import asyncio
import io
import os
import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO, Literal

from devenv.contract.answers import LogLine
from devenv.disk import not_read, open_regular_file

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

POLL_S = 0.05
ROTATED = 2
BLOCK_BYTES = 256 * 1024

REMOVED = "devenv: the output before this was removed, with its file"
"""A line in the place of output that was removed with ``.devenv/`` while the project was up."""

_STORED = re.compile(rb"(\d+\.\d+) ([12])(\+?) (.*)", re.DOTALL)


def read_lines(path: Path, since: float | None, tail: int | None) -> list[LogLine]:
    """Lines of a log and of what was rotated out of it, oldest first; ``tail`` alone is read from the end.

    Raises:
        EnvironmentFailure: If a file is there and cannot be read.
    """
    with ExitStack() as stack:
        return _lines(_opened(path, stack), since, tail)


async def follow(
    path: Path, since: float | None, tail: int | None, ended: Callable[[], Awaitable[bool]]
) -> AsyncIterator[LogLine]:
    """Yield the existing lines, then new ones, until ``ended()`` is true.

    Raises:
        EnvironmentFailure: If a file is there and cannot be read.
    """
    file: BinaryIO | None = None
    with ExitStack() as stack:
        files = _opened(path, stack)
        for line in _lines(files, since, tail):
            yield line
        file = os.fdopen(os.dup(files[-1].fileno()), "rb", buffering=0) if files else None
    # The descriptor shares its position with the one that was read, which is at the end of the last whole line.
    rest = b""
    try:
        while True:
            over = await ended()
            while True:
                current = _open_if_new(path, file)
                content = rest + (file.read() or b"" if file is not None else b"")
                whole, newline, rest = content.rpartition(b"\n")
                for line in parsed(whole + newline):
                    yield line
                if current is None:
                    break
                if file is not None:
                    file.close()
                file = current
            if over:
                for line in parsed(rest):
                    yield line
                return
            await asyncio.sleep(POLL_S)
    finally:
        if file is not None:
            file.close()


def parsed(content: bytes) -> Iterator[LogLine]:
    """Lines ``<seconds> <1|2> <text>`` as the daemon writes them; others as they are.

    A continuation belongs to the last line of its stream. Without that, which was shown before, it is a separate line,
    whose :attr:`LogLine.continues` is set; if it is only a line end, nothing.
    """
    lines = content.split(b"\n")
    if not lines[-1]:
        lines.pop()
    time = next((float(stored[1]) for line in lines if (stored := _STORED.fullmatch(line))), 0.0)
    if b"+ " in content:
        lines = _joined(lines)
    for line in lines:
        stored = _STORED.fullmatch(line)
        text, stream = (stored[4], stored[2]) if stored else (line, b"1")
        time = float(stored[1]) if stored else time
        continues = stored is not None and stored[3] == b"+"
        if continues and not text:
            continue
        name: Literal["stdout", "stderr"] = "stderr" if stream == b"2" else "stdout"
        yield LogLine(time=time, stream=name, text=text.decode(errors="replace"), continues=continues)


def _joined(lines: list[bytes]) -> list[bytes]:
    """Return the lines with each continuation at the end of the line that it continues."""
    found: list[bytes] = []
    last: dict[bytes, int] = {}
    for line in lines:
        stored = _STORED.fullmatch(line)
        if stored is None:
            found.append(line)
        elif stored[3] and stored[2] in last:
            before = found[last[stored[2]]]
            found[last[stored[2]]] = (before if stored[4] else before.removesuffix(b"\r")) + stored[4]
        else:
            last[stored[2]] = len(found)
            found.append(line)
    return found


def _opened(path: Path, stack: ExitStack) -> list[BinaryIO]:
    """The files of a log, oldest first.

    They are opened newest first: a rotation in between lets the same file appear twice, and loses none.
    """
    found: dict[int, BinaryIO] = {}
    for name in (path, *(path.with_name(f"{path.name}.{number}") for number in range(1, ROTATED + 1))):
        opened = _open(name)
        if opened is None:
            continue
        file = stack.enter_context(opened)
        found.setdefault(os.fstat(file.fileno()).st_ino, file)
    return list(found.values())[::-1]


def _lines(files: list[BinaryIO], since: float | None, tail: int | None) -> list[LogLine]:
    """The lines of open files, oldest first; each file is left behind its last whole line."""
    found: list[LogLine] = []
    for file in reversed(files):
        size = file.seek(0, io.SEEK_END)
        if since is not None and os.fstat(file.fileno()).st_mtime < since:
            break  # neither it nor an older one was written to since
        wanted = None if tail is None else tail - len(found)
        lines = _last_lines(file, size, wanted)
        if since is not None:
            lines = [line for line in lines if line.time >= since]
        if wanted is not None:
            lines = lines[len(lines) - wanted :] if wanted < len(lines) else lines
        found = lines + found
        if tail is not None and len(found) >= tail:
            break
    return found


def _last_lines(file: BinaryIO, size: int, wanted: int | None) -> list[LogLine]:
    """At least so many lines from the end of a file, or all."""
    asked = wanted
    while True:
        content = _content(file, size, asked)
        lines = list(parsed(content))
        # One more than wanted: the beginning of the first one may be cut off.
        if wanted is None or asked is None or len(lines) > wanted or content.count(b"\n") < asked:
            return lines
        asked = 2 * asked + 8


def _content(file: BinaryIO, size: int, lines: int | None) -> bytes:
    """The content up to the last line end, or what is needed of its end for so many lines."""
    blocks: list[bytes] = []
    start, ends = size, 0
    while start > 0 and (lines is None or ends <= lines):
        step = start if lines is None else min(BLOCK_BYTES, start)
        start -= step
        file.seek(start)
        blocks.insert(0, file.read(step))
        ends += blocks[0].count(b"\n")
    whole, newline, rest = b"".join(blocks).rpartition(b"\n")
    file.seek(size - len(rest))
    if start > 0:
        whole = whole.partition(b"\n")[2]  # what is before the first line end is part of a line
    return whole + newline


def _open_if_new(path: Path, file: BinaryIO | None) -> BinaryIO | None:
    """The log's current file if it is another one than ``file``."""
    if file is not None and _inode(path) in {0, os.fstat(file.fileno()).st_ino}:
        return None
    return _open(path)


def _open(path: Path) -> BinaryIO | None:
    """A log file for reading, which never waits; ``None`` if it does not exist."""
    try:
        return open_regular_file(path, buffering=0)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise not_read(path, error) from error


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise not_read(path, error) from error
