"""What the responses of Python's `http.client`, and of what is built on it, say of their connection."""

from __future__ import annotations

from typing import Any

_VERSIONS = {9: "0.9", 10: "1.0", 11: "1.1", 20: "2"}


def version_of(number: Any) -> str:
    """Return the version of HTTP for the number of `http.client` (11 is 1.1); empty if it is unknown."""
    return _VERSIONS.get(number, "")


def peer_of(socket: Any) -> Any:
    """Return the peer of a socket, None if it has none or is closed."""
    try:
        return socket.getpeername()
    except (AttributeError, OSError):  # a socket within TLS within TLS has no such method
        return None


def connection_of(response: Any) -> tuple[str, Any]:
    """Return the version of HTTP and the peer of a response whose body has not been read to its end.

    Args:
        response: An `http.client.HTTPResponse`; its connection may have been closed, its socket is not.
    """
    raw = getattr(response.fp, "raw", None)  # a buffer over a SocketIO; None after the end of the body
    return version_of(response.version), peer_of(getattr(raw, "_sock", None))
