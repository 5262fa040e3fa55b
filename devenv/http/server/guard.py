"""Keeps other sites' pages out: they must neither read nor write traces.

A page can reach a port on loopback in two ways: by its own host name that resolves to 127.0.0.1 (DNS rebinding, visible
in the ``Host`` header), and by a cross-site request (visible in ``Sec-Fetch-Site`` and ``Origin``, which scripts cannot
set).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from devenv.http.browser_origins import BrowserOrigins

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class Guard:
    """Rejects foreign hosts and cross-site requests.

    Args:
        names: host names of this server, without port, in addition to the loopback names.
        origins: whose pages may send requests, cross-site ones too.
    """

    def __init__(self, names: Iterable[str] = (), origins: BrowserOrigins | None = None) -> None:
        self._origins = origins
        self._names = LOOPBACK_NAMES | {name.lower().strip("[]") for name in names if name}

    def refusal(self, method: str, headers: Mapping[str, str]) -> tuple[int, str] | None:
        """Return status and reason if the request must not be served, else ``None``."""
        host = headers.get("host")
        if host is not None and not self._is_ours(f"//{host}"):
            return 403, "the Host header names another server"
        origin = headers.get("origin")
        if origin is not None and self._origins is not None and self._origins.allows(origin):
            return None
        if origin is not None and not self._is_ours(origin):
            return 403, "cross-origin requests are refused"
        if headers.get("sec-fetch-site") == "cross-site":
            followed_link = method in {"GET", "HEAD"} and headers.get("sec-fetch-mode") == "navigate"
            if not followed_link:
                return 403, "cross-site requests are refused"
        return None

    def _is_ours(self, address: str) -> bool:
        try:
            parts = urlsplit(address)
            if parts.port is not None and not 0 <= parts.port <= 65535:
                return False
            name = parts.hostname
        except ValueError:
            return False
        if name is None or parts.username is not None or parts.path or parts.query:
            return False
        return name.rstrip(".") in self._names
