"""A sent request, as verification uses it."""

from __future__ import annotations

from devenv.immutable import immutable
from devenv.model.run import RequestError

_NEVER_ARRIVED = frozenset(
    {
        RequestError.REFUSED,
        RequestError.RESOLVE,
        RequestError.UNREACHABLE,
        RequestError.TLS,
        RequestError.CONNECT_TIMEOUT,
        RequestError.NO_SOCKET,
    }
)


@immutable(kw_only=True)
class Sent:
    """One request.

    Attributes:
        number: position in the schedule.
        start_ns: time of its sending, nanoseconds since the epoch.
        end_ns: time of its end.
        error: the kind of its failure.
        status: the HTTP status, or 0.
    """

    number: int
    trace_id: str
    start_ns: int
    end_ns: int
    error: RequestError = RequestError.NONE
    status: int = 0

    @property
    def never_arrived(self) -> bool:
        """Whether the connection failed, so that no service can have a span of it."""
        return self.error in _NEVER_ARRIVED

    @property
    def failure(self) -> str:
        """The kind of its failure; empty if it succeeded."""
        return self.error.label(self.status) if self.error else ""
