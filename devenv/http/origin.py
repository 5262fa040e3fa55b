"""Where an HTTP server is: base URLs and endpoints, taken apart."""

from __future__ import annotations

import ssl
from urllib.parse import SplitResult, urlsplit

from devenv.immutable import immutable

_DEFAULT_PORTS = {"http": 80, "https": 443}


@immutable()
class Origin:
    """Scheme, host and port of a server; ``path`` is the base URL's path without a trailing slash."""

    scheme: str
    host: str
    port: int
    path: str = ""

    @classmethod
    def parse(cls, url: str) -> Origin:
        """Parse a base URL.

        Raises:
            ValueError: If it is not an ``http://`` or ``https://`` URL with a host and a valid port.
        """
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError(f"not an http:// or https:// URL: {url!r}")
        return cls(parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme], parts.path.rstrip("/"))

    @property
    def authority(self) -> str:
        """Value of the ``Host`` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def tls(self) -> ssl.SSLContext | None:
        """A verifying TLS context for ``https``, else ``None``."""
        return ssl.create_default_context() if self.scheme == "https" else None


def endpoint_port(endpoint: str) -> int | None:
    """Return the port of an endpoint; ``None`` if it has none, or is none."""
    try:
        return split_endpoint(endpoint).port
    except ValueError:
        return None


def split_endpoint(endpoint: str) -> SplitResult:
    """Split an endpoint as users write it: a URL, or ``host:port`` without a scheme (as OTLP over gRPC accepts).

    Raises:
        ValueError: If its brackets do not match. The result's ``port`` raises it, too, if that is not a port.
    """
    return urlsplit(endpoint if "//" in endpoint else f"//{endpoint}")
