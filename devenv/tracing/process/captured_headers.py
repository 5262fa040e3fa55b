"""Headers that are recorded as attributes, because the variables OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_* name them.

Attributes: https://opentelemetry.io/docs/specs/semconv/registry/attributes/http/ (`http.request.header.<key>`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from devenv.tracing.process.patterns import any_of, split

_PREFIX = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_"
SANITIZED = "sanitize_fields"
CAPTURING = {
    f"{_PREFIX}{name.upper()}": name
    for name in ("server_request", "server_response", "client_request", "client_response", SANITIZED)
}
"""Variables, and the key of each in the setting `captured_headers`."""
_REMOVED = "[REDACTED]"


class CapturedHeaders:
    """The headers that one side of HTTP records.

    Args:
        names: The setting `captured_headers`: names or regular expressions with commas.
        side: `server` or `client`.
    """

    def __init__(self, names: Mapping[str, str], side: str) -> None:
        self._request = _pattern(names.get(f"{side}_request", ""))
        self._response = _pattern(names.get(f"{side}_response", ""))
        self._sanitized = _pattern(names.get(SANITIZED, ""))

    def request(self, headers: Iterable[tuple[Any, Any]]) -> dict[str, tuple[str, ...]]:
        """Return the attributes of a request's headers."""
        return self._attributes(self._request, "http.request.header.", headers)

    def response(self, headers: Iterable[tuple[Any, Any]]) -> dict[str, tuple[str, ...]]:
        """Return the attributes of a response's headers."""
        return self._attributes(self._response, "http.response.header.", headers)

    def _attributes(
        self, wanted: re.Pattern[str] | None, prefix: str, headers: Iterable[tuple[Any, Any]]
    ) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for key, value in headers if wanted is not None else ():
            name = _text(key).lower()
            if wanted is not None and wanted.fullmatch(name):
                hidden = self._sanitized is not None and self._sanitized.fullmatch(name)
                found.setdefault(prefix + name, []).append(_REMOVED if hidden else _text(value))
        return {key: tuple(values) for key, values in found.items()}


def captured(names: Mapping[str, str], side: str) -> CapturedHeaders | None:
    """Return what a side records, None for nothing."""
    wanted = names.get(f"{side}_request") or names.get(f"{side}_response")
    return CapturedHeaders(names, side) if wanted else None


def _pattern(text: str) -> re.Pattern[str] | None:
    return any_of(split([text]), "captured headers", re.IGNORECASE)


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
