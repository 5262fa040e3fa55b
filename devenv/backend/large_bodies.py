"""How many large request bodies are in work at once, and the memory that they may use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

from devenv.http.server.capacity import ByteBudget
from devenv.http.server.compression import is_compressed, pieces
from devenv.http.server.turns import Turns

AT_ONCE = 128 * 1024
"""A body of protobuf up to this size, decompressed, is handled in one step of a few milliseconds."""
AT_ONCE_JSON = 32 * 1024
MEDIUM = 1024 * 1024
_PATIENCE = 5.0  # seconds in a queue; exporters give up after ten


class Busy(Exception):
    """Too much is in work: the client should send the request again later."""


class LargeBodies:
    """Two queues: bodies up to ``MEDIUM`` must not wait for those above it, of which only one is in work.

    Args:
        budget: memory for decompressed bodies.
        limit: largest body in bytes, after decompression.
        turns: the loop's time; by default, not shared with others.
    """

    def __init__(self, budget: ByteBudget, limit: int, turns: Turns | None = None) -> None:
        self.turns = turns or Turns()
        self._budget = budget
        self._limit = limit
        self._medium = asyncio.Semaphore(2)
        self._large = asyncio.Semaphore(1)

    def small(self, body: bytes, encoding: str, most: int = AT_ONCE) -> bytes | None:
        """Return ``body`` decompressed, or None if it has more than ``most`` bytes then.

        Raises:
            BodyTooLarge, BadEncoding, UnknownEncoding: As :func:`devenv.http.server.compression.pieces`.
        """
        if not is_compressed(encoding):
            return body if len(body) <= most else None
        if len(body) > most:
            return None
        found: list[bytes] = []
        size = 0
        for piece in pieces(body, encoding, self._limit):
            size += len(piece)
            if size > most:
                return None
            found.append(piece)
        return found[0] if len(found) == 1 else b"".join(found)

    @asynccontextmanager
    async def opened(self, body: bytes, encoding: str) -> AsyncIterator[bytes]:
        """Wait for a turn, and decompress ``body``; its memory is reserved until the context is left.

        The result may be a ``bytearray``.

        Raises:
            Busy: If there is no turn within some seconds, or no memory.
            BodyTooLarge, BadEncoding, UnknownEncoding: As :func:`devenv.http.server.compression.pieces`.
        """
        held = _Held(self._budget)
        try:
            if len(body) <= MEDIUM:
                async with _turn(self._medium):
                    found = await self._inflate(body, encoding, held, MEDIUM)
                    if found is not None:
                        yield found
                        return
            async with _turn(self._large):
                yield cast("bytes", await self._inflate(body, encoding, held, self._limit))
        finally:
            held.release()

    async def _inflate(self, body: bytes, encoding: str, held: _Held, most: int) -> bytes | None:
        # None if there are more than `most` bytes: what is found by then is dropped.
        if not is_compressed(encoding):
            return body
        found = bytearray()
        turn = self.turns.start()
        for piece in pieces(body, encoding, self._limit):
            if len(found) + len(piece) > most:
                held.release()
                return None
            held.take(len(piece))
            found += piece
            await turn.pause()
        return cast("bytes", found)


@dataclass(slots=True)
class _Held:
    """What one request has reserved of the budget."""

    budget: ByteBudget
    size: int = 0

    def take(self, size: int) -> None:
        if not self.budget.take(size):
            raise Busy
        self.size += size

    def release(self) -> None:
        self.budget.give(self.size)
        self.size = 0


@asynccontextmanager
async def _turn(queue: asyncio.Semaphore) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_PATIENCE):
            await queue.acquire()
    except TimeoutError:
        raise Busy from None
    try:
        yield
    finally:
        queue.release()
