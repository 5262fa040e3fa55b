"""A request as HTTP/1.1 bytes."""

from __future__ import annotations

from collections.abc import Mapping

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


def request_bytes(method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """Return the whole request.

    ``content-length`` is added if there is a body, or if the method implies one (RFC 9110, 8.6).

    Args:
        method: such as ``GET``.
        target: path and query (RFC 9112, 3.2.1).
        headers: in the order of sending, ``Host`` included.
        body: as sent.
    """
    fields = dict(headers)
    if body or method in _WITH_BODY:
        fields["content-length"] = str(len(body))
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body
