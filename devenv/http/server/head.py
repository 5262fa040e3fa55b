"""The head of a response, with the security headers of every response."""

from __future__ import annotations

from http import HTTPStatus

from devenv.http.server.message import Response

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_SAFETY = b"X-Content-Type-Options: nosniff\r\nCross-Origin-Resource-Policy: same-origin\r\nCache-Control: no-store\r\n"
_DEFAULT_POLICY = b"Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"


def response_head(response: Response, keep: bool, framing: bytes) -> bytes:
    """Return status line and headers up to the empty line; ``framing`` is the header that defines the body's end."""
    lines = [
        f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Unknown')}\r\n"
        f"Content-Type: {response.content_type}\r\n".encode("latin-1"),
        framing,
        _SAFETY,
    ]
    names = {name.lower() for name, _ in response.headers}
    if "content-security-policy" not in names:
        lines.append(_DEFAULT_POLICY)
    lines += [f"{name}: {value}\r\n".encode("latin-1", "replace") for name, value in response.headers]
    if not keep:
        lines.append(b"Connection: close\r\n")
    lines.append(b"\r\n")
    return b"".join(lines)
