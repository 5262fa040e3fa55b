"""The route of a request in versions of Starlette that do not note it in the scope (below 1.0)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_PARAMETER = re.compile(r"\\{[^{}]*\\}|\{[^{}]*\}")


def route_of(scope: Mapping[str, Any]) -> str | None:
    """Return the path template whose endpoint has served the request, below all mounts; None if there is none.

    Args:
        scope: The scope after the request, in which the router has noted itself and the endpoint.
    """
    endpoint = scope.get("endpoint")
    templates = [] if endpoint is None else list(_templates(scope.get("router"), endpoint, ""))
    if len(templates) > 1:  # an endpoint at several paths
        templates = [template for template in templates if _matches(template, scope.get("path", ""))]
    return templates[0] if templates else None


def _templates(router: Any, endpoint: Any, prefix: str) -> Iterator[str]:
    for route in getattr(router, "routes", None) or ():
        path: str = getattr(route, "path_format", None) or getattr(route, "path", None) or ""
        if getattr(route, "endpoint", None) is endpoint:
            yield prefix + path
        elif getattr(route, "routes", None):
            yield from _templates(route, endpoint, prefix + path.replace("/{path}", ""))


def _matches(template: str, path: str) -> bool:
    return re.fullmatch(_PARAMETER.sub(".+", re.escape(template)), path) is not None
