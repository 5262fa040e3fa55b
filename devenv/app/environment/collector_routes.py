"""Whether the spans that a collector of the stack passes on arrive in devenv's trace backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from devenv.model.documents import CollectorRouteDocument

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from devenv.orchestrate.telemetry.routes import CollectorRoute


def recorded_routes(routes: Iterable[CollectorRoute]) -> list[dict[str, Any]]:
    """Return routes as the project's record has them."""
    return [{"services": list(item.services), "collector": item.collector, "backend": item.backend} for item in routes]


def route_documents(
    recorded: Iterable[Mapping[str, Any]] | None, traced: Mapping[str, str] | None, silent: Collection[str] | None
) -> list[CollectorRouteDocument]:
    """Return the routes with what is known of their spans.

    Args:
        recorded: as :func:`recorded_routes` returns them.
        traced: service names in spans, by service.
        silent: service names in spans without a span yet; ``None``: not checked.
    """
    found = []
    for item in recorded or ():
        names = [traced[name] for name in item["services"] if traced and name in traced]
        arrive = None if silent is None or not names else any(name not in silent for name in names)
        found.append(CollectorRouteDocument(**item, spans_arrive=arrive))
    return found
