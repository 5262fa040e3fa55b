"""What the listeners of one server share: connections, the memory of the requests in work, and the loop's time."""

from __future__ import annotations

import resource
from typing import Protocol

from devenv.http.server.limits import Limits
from devenv.http.server.turns import Turns

# Descriptors that connections must leave free: at least half, for files, pipes and the connections to be closed.
_RESERVED_PARTS = 2
_MOST_WAITING = 128


class Closable(Protocol):
    """A connection, as far as it matters here.

    Attributes:
        since: when it was opened, in seconds of the loop's clock.
    """

    since: float

    @property
    def idle(self) -> bool:
        """Whether no request is in progress."""

    @property
    def closing(self) -> bool:
        """Whether it is full: it accepts no further request."""

    def abort(self) -> None:
        """Close it immediately."""


class ListenerConnection(Closable, Protocol):
    """A connection, as far as its listener uses it."""

    def check(self, now: float) -> None:
        """Close it if a time limit is exceeded; called every second."""


class ByteBudget:
    """Bytes of request bodies in memory, as received and as decompressed; each is held until its answer is written."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def take(self, size: int) -> bool:
        """Reserve ``size`` bytes; return False, and reserve nothing, if they would exceed the limit."""
        if self.used + size > self.limit:
            return False
        self.used += size
        return True

    def give(self, size: int) -> None:
        """Return ``size`` reserved bytes."""
        self.used -= size


class Capacity:
    """One limit for all listeners that it is given to.

    Attributes:
        budget: memory of request bodies.
        turns: the loop's time.
        connections: open connections of all these listeners.
        most_connections: above it, the longest idle one is closed.
        backlog: connections that the kernel may keep waiting, for each listener; they are accepted in one step.
    """

    def __init__(self, limits: Limits) -> None:
        self.budget = ByteBudget(limits.buffered)
        self.turns = Turns()
        self.connections: set[Closable] = set()
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if descriptors == resource.RLIM_INFINITY:
            descriptors = 2 * limits.connections
        self.most_connections = max(1, min(limits.connections, descriptors // _RESERVED_PARTS))
        self.backlog = max(8, min(_MOST_WAITING, descriptors // 8))

    def make_room(self, newest: Closable) -> None:
        """Close another connection if there are too many."""
        if len(self.connections) <= self.most_connections:
            return
        others = [each for each in self.connections if each is not newest and not each.closing]
        if len(others) < self.most_connections:
            return
        idle = [each for each in others if each.idle]
        min(idle or others, key=lambda each: each.since).abort()
