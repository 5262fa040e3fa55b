"""A request in flight."""

from __future__ import annotations

from typing import Protocol


class Carrier(Protocol):
    """The connection that carries a request, as far as the request's owner uses it."""

    def abort(self) -> None:
        """Close at once; a request on it is no longer reported."""


class Flight:
    """One request from its sending to its end; times in nanoseconds since the start of the run.

    Attributes:
        number: position in the schedule.
        intended: its scheduled time.
        actual: the time of its sending.
        data: the whole request, kept to send it once more if a kept-alive connection closes before the response.
        connection: the one that carries it; ``None`` until it is connected.
        done: whether it has been recorded.
    """

    __slots__ = (
        "actual",
        "connection",
        "data",
        "done",
        "intended",
        "number",
        "retried",
        "sampled",
        "span_id",
        "trace_id",
    )

    def __init__(
        self, number: int, intended: int, actual: int, trace_id: bytes, span_id: bytes, sampled: bool, data: bytes
    ) -> None:
        self.number = number
        self.intended = intended
        self.actual = actual
        self.trace_id = trace_id
        self.span_id = span_id
        self.sampled = sampled
        self.data = data
        self.retried = False
        self.done = False
        self.connection: Carrier | None = None
