"""Names in the variables of HTTP instrumentation: methods, and the stock instrumentations of libraries."""

from __future__ import annotations

from typing import Any

KNOWN_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY")
"""RFC 9110, RFC 5789 and QUERY: https://opentelemetry.io/docs/specs/semconv/http/http-spans/."""
UNKNOWN_METHOD = "HTTP"
"""Stands for an unknown method in a span's name."""

SERVERS = {
    "asgi": ("fastapi", "starlette", "django", "falcon", "asgi"),
    "wsgi": ("flask", "django", "falcon", "wsgi"),
    "aiohttp": ("aiohttp_server",),
    "tornado": ("tornado",),
    "websockets": (),
}
"""The stock instrumentations whose requests each of our server integrations sees."""
CLIENTS = {
    "requests": "requests",
    "httpx": "httpx",
    "aiohttp's client": "aiohttp_client",
    "urllib3": "urllib3",
    "urllib": "urllib",
    "tornado's client": "tornado",
}
"""The stock instrumentation for each of our client integrations, by its name in warnings."""

_STOCK = sorted({name for names in SERVERS.values() for name in names} | set(CLIENTS.values()))
EXCLUDING = {
    **{f"OTEL_PYTHON_{name.upper()}_EXCLUDED_URLS": name for name in _STOCK},
    "OTEL_PYTHON_GRPC_EXCLUDED_SERVICES": "grpc",
}
"""Variables with the URLs that are not traced for one library."""


def method_attributes(method: str, is_known: bool) -> dict[str, Any]:
    """Return the attributes of an HTTP method."""
    if is_known:
        return {"http.request.method": method}
    return {"http.request.method": "_OTHER", "http.request.method_original": method}
