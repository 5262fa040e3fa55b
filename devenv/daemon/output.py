"""The output of an instance on its way to its log: read in pieces, stored in lines, bounded in rate.

A line that its service does not end, such as a prompt, is stored as it is after a moment; what follows of it is marked.

The daemon also serves the trace backend, so a service that only writes must cost it next to nothing: a piece is stored
with one write, what is too much for the log is dropped by the piece and counted, and a pipe that is faster still is
left full, which slows the service down as a slow terminal does.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devenv.daemon.logfile import LogFile

PIECE_BYTES = 64 * 1024
"""Read at once; a line that is longer is stored in parts."""

STORED_RATE = 2 * 2**20
"""Bytes per second that go to the log, all with their times."""

STORED_BURST = 8 * 2**20
"""Bytes that a service can write at once after a quiet time, such as a long traceback or a dump."""

DROPPING_S = 1.0
"""Dropping lasts this long once it has begun, so that there is one note of it per second."""

READ_TICK_S, READ_PER_TICK = 0.05, 512 * 1024
"""A pipe is read up to so many bytes per tick, then left full until the next."""

IDLE_S, UNENDED_S = 1.0, 5.0
"""The beginning of a line is stored after so long without more of it, and at the latest when it is so old."""

TAIL_BYTES = 4 * 1024
"""The end of what is dropped is stored nevertheless: the last lines of a service that fails are the important ones."""

Report = Callable[[OSError], None]


class ServiceOutput:
    """Stores the output of one instance, of both streams.

    Args:
        log: it goes there.
        lost: told of output that the log could not take, such as on a full disk; once until it can again.
    """

    def __init__(self, log: LogFile, lost: Report) -> None:
        self._log = log
        self._lost = lost
        self._is_lost = False
        self._rest = {1: b"", 2: b""}
        self._begun = {1: 0.0, 2: 0.0}
        self._added = {1: 0.0, 2: 0.0}
        self._is_continued = {1: False, 2: False}
        self._look: asyncio.TimerHandle | None = None
        self._budget = float(STORED_BURST)
        self._counted_at = time.monotonic()
        self._resumption: asyncio.TimerHandle | None = None
        self._dropped_lines = 0
        self._dropped_bytes = 0
        self._tail = (0.0, 1, b"")

    def add(self, stream: int, piece: bytes) -> None:
        """Store the whole lines of a piece, and keep the rest until its line ends or nothing more comes of it."""
        before = self._rest[stream]
        whole, newline, rest = (before + piece).rpartition(b"\n")
        if len(rest) >= PIECE_BYTES:
            whole, newline, rest = whole + newline + rest, b"\n", b""
        self._rest[stream] = rest
        if newline:
            self._store(stream, whole)
        if rest:
            self._added[stream] = now = time.monotonic()
            if newline or not before:
                self._begun[stream] = now
            if self._look is None:
                self._look = asyncio.get_running_loop().call_later(IDLE_S, self._store_rests)

    def finish(self) -> None:
        """Store what no line end came for, and the note of what was dropped: the process has ended."""
        if self._look is not None:
            self._look.cancel()
            self._look = None
        for stream, rest in self._rest.items():
            if rest:
                self._store(stream, rest)
        self._rest = {1: b"", 2: b""}
        self._is_continued = {1: False, 2: False}
        if self._resumption is not None:
            self._resumption.cancel()
            self._resume()

    def _store_rests(self) -> None:
        """Store the beginnings of lines of which nothing more has come, unless output is being dropped."""
        self._look = None
        now = time.monotonic()
        waits = []
        for stream, rest in self._rest.items():
            wait = min(self._added[stream] + IDLE_S, self._begun[stream] + UNENDED_S) - now
            if rest and (wait > 0 or self._resumption is not None):
                waits.append(max(wait, IDLE_S / 10))
            elif rest:
                self._rest[stream] = b""
                self._store(stream, rest)
                self._is_continued[stream] = self._resumption is None
        if waits:
            self._look = asyncio.get_running_loop().call_later(min(waits), self._store_rests)

    def _store(self, stream: int, lines: bytes) -> None:
        now = time.time()
        is_continued, self._is_continued[stream] = self._is_continued[stream], False
        if self._resumption is not None:
            self._drop(now, stream, lines)
            return
        stored = _stored(now, stream, lines, is_continued=is_continued)
        self._refill()
        if len(stored) > self._budget:
            self._resumption = asyncio.get_running_loop().call_later(DROPPING_S, self._resume)
            self._drop(now, stream, lines)
            return
        self._budget -= len(stored)
        self._write(stored)

    def _drop(self, now: float, stream: int, lines: bytes) -> None:
        self._dropped_lines += lines.count(b"\n") + 1
        self._dropped_bytes += len(lines) + 1
        tail = lines[-TAIL_BYTES:]
        self._tail = now, stream, tail.partition(b"\n")[2] or tail if len(lines) > TAIL_BYTES else tail

    def _resume(self) -> None:
        self._resumption = None
        now, stream, tail = self._tail
        lines = self._dropped_lines - tail.count(b"\n") - 1
        size = self._dropped_bytes - len(tail) - 1
        self._dropped_lines = self._dropped_bytes = 0
        note = b""
        if lines > 0:
            text = f"devenv: {lines:,} lines ({size:,} bytes) left out here: above {STORED_RATE >> 20} MiB per second"
            note = _stored(now, 2, text.encode())
        self._refill()
        self._budget -= len(note) + len(tail)
        self._write(note + _stored(now, stream, tail))

    def _refill(self) -> None:
        now = time.monotonic()
        self._budget = min(self._budget + (now - self._counted_at) * STORED_RATE, STORED_BURST)
        self._counted_at = now

    def _write(self, stored: bytes) -> None:
        try:
            self._log.append(stored)
        except OSError as error:
            if not self._is_lost:
                self._lost(error)
            self._is_lost = True
        else:
            self._is_lost = False


class Pipe:
    """Reads one stream of a process and gives its pieces on, until the last writer has closed it.

    Args:
        descriptor: the reading end, which belongs to this object.
        take: called with each piece.
    """

    def __init__(self, descriptor: int, take: Callable[[bytes], None]) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._left = READ_PER_TICK
        self._tick = self._loop.time()
        self._pause: asyncio.TimerHandle | None = None
        self.ended = asyncio.Event()
        self._loop.add_reader(descriptor, self._read)

    def close(self) -> None:
        """Read no more."""
        if self.ended.is_set():
            return
        if self._pause is not None:
            self._pause.cancel()
        else:
            self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
        self.ended.set()

    def drain(self) -> None:
        """Give on what is in the pipe now, the pause notwithstanding, and close it."""
        left = 2 * 2**20
        while left > 0 and not self.ended.is_set():
            try:
                piece = os.read(self._descriptor, PIECE_BYTES)
            except BlockingIOError:
                break
            if not piece:
                break
            left -= len(piece)
            self._take(piece)
        self.close()

    def _read(self) -> None:
        try:
            piece = os.read(self._descriptor, PIECE_BYTES)
        except BlockingIOError:
            return
        if not piece:
            self.close()
            return
        self._take(piece)
        now = self._loop.time()
        if now - self._tick >= READ_TICK_S:
            self._tick, self._left = now, READ_PER_TICK
        self._left -= len(piece)
        if self._left <= 0:
            self._loop.remove_reader(self._descriptor)
            self._pause = self._loop.call_later(READ_TICK_S, self._go_on)

    def _go_on(self) -> None:
        self._pause = None
        self._loop.add_reader(self._descriptor, self._read)


def _stored(now: float, stream: int, lines: bytes, *, is_continued: bool = False) -> bytes:
    """Lines in the form of the log, with a line end; a carriage return before a line end is a part of it.

    Args:
        now: their time, in seconds since the epoch.
        stream: 1 or 2.
        lines: without the last line end.
        is_continued: the first of them continues the last one of its stream.
    """
    head = b"%.6f %d " % (now, stream)
    text = (lines + b"\n").replace(b"\r\n", b"\n")
    first = b"%.6f %d+ " % (now, stream) if is_continued else head
    return first + text[:-1].replace(b"\n", b"\n" + head) + b"\n"
