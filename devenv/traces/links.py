"""Addresses of pages in Jaeger's UI; the embedded backend serves pages at the same addresses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from devenv.immutable import immutable


@immutable()
class UiLinks:
    """Addresses below ``base_url``; if it is empty, they are relative to the server."""

    base_url: str

    def trace(self, trace_id: str) -> str:
        """Page of one trace."""
        return f"{self.base_url.rstrip('/')}/trace/{quote(trace_id, safe='')}"

    def dependencies(self) -> str:
        """Page of the calls between services."""
        return f"{self.base_url.rstrip('/')}/dependencies"

    def search(
        self,
        service: str,
        start_ns: int,
        end_ns: int,
        *,
        tags: Mapping[str, str] | None = None,
        operation: str | None = None,
        limit: int = 20,
    ) -> str:
        """Page of a search, with the parameters of Jaeger's search form: times are microseconds there."""
        fields = {
            "service": service,
            "start": str(start_ns // 1000),
            "end": str(-(-end_ns // 1000)),
            "limit": str(limit),
            "lookback": "custom",
        }
        if operation:
            fields["operation"] = operation
        if tags:
            fields["tags"] = json.dumps(dict(tags), separators=(",", ":"))
        return f"{self.base_url.rstrip('/')}/search?{urlencode(fields)}"
