"""What the servers' measurements have in common: the attributes of a request that has been served."""

from __future__ import annotations

from typing import Any

from devenv.tracing.active import state
from devenv.tracing.metrics.instruments import Values
from devenv.tracing.spans import error_type

CANCELLED = "CancelledError"
OTHER = "_OTHER"


def served(
    method: str, scheme: str, status: int, route: str | None, version: str | None, error: BaseException | None = None
) -> Values:
    """Return the values of `HTTP_SERVER`'s attributes.

    Args:
        method: The request's method.
        scheme: `url.scheme`.
        status: The status of the response, 0 if none was sent.
        route: `http.route`, None if it is not known.
        version: The version of HTTP, None or empty if it is not known.
        error: The exception with which the application ended.
    """
    return (
        method if method in state.methods else OTHER,
        scheme,
        status or None,
        route,
        version or None,
        failure(status, 500, error) if error is not None or status >= 500 else None,
    )


def failure(status: int, least: int, error: BaseException | None) -> str | None:
    """Return `error.type`: a status that is an error, or the class of the exception; None for none.

    Args:
        status: The status of the response, 0 if there was none.
        least: The lowest status that is an error: 500 for a server, 400 for a client.
        error: The exception.
    """
    if status >= least:
        return str(status)
    if error is None:
        return None
    return "asyncio.CancelledError" if type(error).__name__ == CANCELLED else error_type(error)


def is_websocket(status: Any) -> bool:
    """Return whether a request has become a connection, whose time is not that of a request."""
    return bool(status == 101)
