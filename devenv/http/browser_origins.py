"""The origins whose pages may call a server of another origin (CORS, https://fetch.spec.whatwg.org/#http-cors-protocol).

Patterns are those of the OpenTelemetry Collector: an origin with at most one ``*``, which stands for any text.
"""

from __future__ import annotations

from collections.abc import Iterable

LOOPBACK_ORIGINS = tuple(
    f"{scheme}://{host}{port}"
    for scheme in ("http", "https")
    for host in ("localhost", "127.0.0.1", "[::1]")
    for port in ("", ":*")
)
"""Pages of this machine, with any port."""


class BrowserOrigins:
    """Matches the header ``Origin``."""

    def __init__(self, patterns: Iterable[str]) -> None:
        found = [pattern.lower().partition("*") for pattern in patterns]
        self._exact = frozenset(before for before, star, _ in found if not star)
        self._parts = tuple((before, after) for before, star, after in found if star)

    def allows(self, origin: str) -> bool:
        """Whether one of the patterns matches ``origin``."""
        text = origin.lower()
        return text in self._exact or any(
            len(text) >= len(before) + len(after) and text.startswith(before) and text.endswith(after)
            for before, after in self._parts
        )
