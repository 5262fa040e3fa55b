"""The load generator: sends each request at its scheduled time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

from devenv.load.send.client import LoadClient
from devenv.load.send.flight import Flight
from devenv.load.send.request_template import Identities, RequestTemplate
from devenv.load.send.timer import make_timer

_LEAST_WAIT_NS = 200_000
"""At thousands of requests per second, those due within this time are sent in one wake-up of the event loop."""


class Generator:
    """Paces requests through a client.

    Attributes:
        sent: requests handed to the client.
        dropped: requests that were not sent, because ``max_in_flight`` were in flight.
        finished: set after the last request was sent or dropped, or after :meth:`stop`.
    """

    def __init__(
        self,
        offsets: Iterator[float],
        *,
        client: LoadClient,
        message: RequestTemplate,
        sampling: float,
        max_in_flight: int,
    ) -> None:
        self._due = (round(offset * 1e9) for offset in offsets)
        self._client = client
        self._message = message
        self._identities = Identities()
        self._sampling = sampling
        self._max_in_flight = max_in_flight
        self._next: int | None = None
        self._number = 0
        self.sent = 0
        self.dropped = 0
        self.finished = asyncio.Event()
        self._timer = make_timer(asyncio.get_running_loop(), self._tick)

    def start(self) -> None:
        """Start sending; the client's clock is running."""
        self._advance()
        self._tick()

    def stop(self) -> None:
        """Stop sending."""
        self._next = None
        self._timer.close()
        self.finished.set()

    def _advance(self) -> None:
        self._next = next(self._due, None)
        if self._next is None:
            self.stop()

    def _tick(self) -> None:
        """Send all requests that are due, and set the timer for the next one."""
        now = self._client.now()
        while self._next is not None and self._next <= now:
            self._send(self._next, now)
            self._number += 1
            self._advance()
            now = self._client.now()
        if self._next is not None:
            self._timer.set(max(self._next - now, _LEAST_WAIT_NS))

    def _send(self, intended: int, now: int) -> None:
        if self._client.in_flight >= self._max_in_flight:
            self.dropped += 1
            return
        trace_id, span_id = self._identities.draw()
        sampled = self._sampling >= 1 or random.random() < self._sampling  # noqa: S311 - a ratio, not a secret
        data = self._message.encode(trace_id, span_id, sampled=sampled)
        self.sent += 1
        self._client.send(Flight(self._number, intended, now, trace_id, span_id, sampled, data))
