"""The waterfall of a large trace, made in a separate process while its page is sent.

To decode and arrange 80,000 spans takes seconds of the interpreter. In a thread of the backend's process, the receiver
would wait for the interpreter's lock, and longer for its collector of garbage, so its slowest request would take some
hundred milliseconds. The memory is also given back with the process.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Iterable, Sequence
from itertools import chain
from typing import Protocol, cast, runtime_checkable

from devenv.dashboard.large_trace_header import encoded_header
from devenv.dashboard.layout import Frame, framed
from devenv.drawing.markup import element
from devenv.http.server import Response
from devenv.own_child import own_child
from devenv.traces.logs.source import LogSelection
from devenv.traces.source import EncodedSpans

LARGE = 1000
"""A trace of more spans is arranged in a separate process."""
PROCESS = "devenv.dashboard.large_trace_process"
_READ = 64 * 1024


@runtime_checkable
class EncodedTraces(Protocol):
    """A source whose spans are stored encoded, so that another process can read them."""

    def encoded(self, trace_id: str) -> EncodedSpans | None:
        """One trace as it is now; ``None`` if the source does not have it."""


class LargeTraces:
    """Makes the pages of large traces, at most two at once: each uses a core, and up to some hundred megabytes."""

    def __init__(self, source: EncodedTraces) -> None:
        self._source = source
        self._turn = asyncio.Semaphore(2)

    def page(self, trace_id: str, limit: int, logs: LogSelection, services: Sequence[str]) -> Response | None:
        """The page of a large trace, whose head is sent at once; ``None`` for another one, or for none at all.

        Args:
            trace_id: 32 hex digits.
            limit: the number of spans that it shows.
            logs: its log records.
            services: names of all services, which decide about colours.
        """
        found = self._source.encoded(trace_id)
        if found is None or found.count <= LARGE:
            return None
        header = encoded_header(logs, services)
        return framed(Frame(f"Trace {trace_id[:8]}…", "/search", wide=True), self._content(found, limit, header))

    async def _content(self, found: EncodedSpans, limit: int, header: bytes) -> AsyncGenerator[bytes]:
        pieces = chain([header], found.pieces)
        command = (sys.executable, "-m", PROCESS, str(limit), "truncated" if found.truncated else "whole")
        async with self._turn, own_child(*command) as process:
            output = cast("asyncio.StreamReader", process.stdout)
            feeding = asyncio.create_task(_feed(cast("asyncio.StreamWriter", process.stdin), pieces))
            try:
                while piece := await output.read(_READ):
                    yield piece
                if await process.wait() != 0:
                    reason = f"The rest of this page could not be made: its process ended with {process.returncode}."
                    yield element("p", reason, class_="bad").encode()
            finally:
                feeding.cancel()


async def _feed(pipe: asyncio.StreamWriter, pieces: Iterable[bytes]) -> None:
    try:
        for piece in pieces:
            if piece:
                pipe.write(piece)
                await pipe.drain()
            await asyncio.sleep(0)
    except (BrokenPipeError, ConnectionResetError):
        pass  # the process has ended, and its exit code says more
    finally:
        pipe.close()
