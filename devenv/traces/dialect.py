"""Which of Jaeger's query dialects a server provides, judged by the content of its responses.

Jaeger answers an unknown API path with 200 and its UI's page, and an empty v3 list with ``{}`` as plain text.
"""

from __future__ import annotations

import asyncio
from typing import Any

from devenv.immutable import immutable
from devenv.traces.background import parse_json
from devenv.traces.http import BackendResponse, RequestSender

EVICTED_PATH = "/api/devenv/evicted"
FILTERED_PATH = "/api/devenv/trace-summaries"
METRICS_PATH = "/api/devenv/metrics"
_NO_TRACE = "0" * 31 + "1"
_WINDOW = "query.start_time_min=2000-01-01T00:00:00Z&query.start_time_max=2000-01-01T00:00:01Z"


@immutable()
class DialectCapabilities:
    """What a server can do.

    Attributes:
        summaries: v3 ``trace-summaries``, and attributes in v3 searches with it (Jaeger 2.19 on).
        v3: v3 services, operations and traces.
        legacy: search and metadata of the legacy API (gone from Jaeger's main branch since August 2026).
        embedded: devenv's own backend, which says what it evicted.
    """

    summaries: bool = False
    v3: bool = False
    legacy: bool = False
    embedded: bool = False

    @property
    def any(self) -> bool:
        """Whether it provides any dialect."""
        return self.summaries or self.v3 or self.legacy


async def probe(http: RequestSender) -> DialectCapabilities:
    """Find out which dialects a server provides.

    Raises:
        TransportError: it does not answer.
    """
    paths = (
        f"/api/v3/trace-summaries?query.service_name=devenv&query.num_traces=1&{_WINDOW}",
        "/api/v3/services",
        "/api/services",
        f"{EVICTED_PATH}?traceID={_NO_TRACE}",
    )
    summaries, v3, legacy, evicted = await asyncio.gather(*(http.request("GET", path) for path in paths))
    return DialectCapabilities(
        summaries=_is_list(json_object(summaries), "summaries"),
        v3=_is_list(json_object(v3), "services"),
        legacy="data" in (json_object(legacy) or {}),
        embedded="evicted" in (json_object(evicted) or {}),
    )


def json_object(response: BackendResponse) -> dict[str, Any] | None:
    """The JSON object in a response, whatever its content type; ``None`` if there is none."""
    try:
        found = parse_json(response.body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _is_list(found: dict[str, Any] | None, key: str) -> bool:
    """Whether a response has ``key``, or is the empty object, which means no elements."""
    return found is not None and (key in found or not found)
