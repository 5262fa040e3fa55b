"""The route of a request below Starlette's mounts, and in versions that do not note it in the scope (below 1.0)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_PARAMETER = re.compile(r"\\{[^{}]*\\}|\{[^{}]*\}")


def route_below_mounts(scope: Mapping[str, Any]) -> str | None:
    """Return the path template of a request with those of its mounts, below the application's root path.

    Args:
        scope: As for `route_of`. Its root path has the paths of the mounts, with the values of their parameters.
    """
    route, root = included_route(scope), (scope.get("root_path") or "").rstrip("/")
    is_mount = hasattr(route, "routes") and not hasattr(route, "endpoint")
    own = () if is_mount else getattr(route, "param_convertors", ())
    varies = any(name not in own for name in scope.get("path_params") or ())
    template = route_of(scope) if route is None or varies else None
    if template is not None:
        return _application_root(scope) + template
    if route is None or varies:
        return None
    path: str | None = getattr(route, "path_format", None) or getattr(route, "path", None)
    if is_mount:  # an application that is not Starlette's, such as static files
        path = "/{path}"
    return None if path is None else root + path


def included_route(scope: Mapping[str, Any]) -> Any:
    """Return the route that the scope notes; one of a router that FastAPI has included, with the router's prefix."""
    route = scope.get("route")
    fastapi = scope.get("fastapi")
    found = fastapi.get("effective_route_context") if isinstance(fastapi, dict) else None
    return found if found is not None and getattr(found, "original_route", None) is route else route


def route_of(scope: Mapping[str, Any]) -> str | None:
    """Return the path template whose endpoint has served the request, below all mounts; None if there is none.

    Args:
        scope: The scope after the request, in which the router has noted itself and the endpoint.
    """
    endpoint = scope.get("endpoint")
    templates = [] if endpoint is None else list(_templates(scope.get("router"), endpoint, ""))
    if len(templates) > 1:  # an endpoint at several paths
        path = scope.get("path", "")
        above = _application_root(scope)
        path = path.removeprefix(above)
        templates = [template for template in templates if _matches(template, path)]
    return templates[0] if templates else None


def _application_root(scope: Mapping[str, Any]) -> str:
    """Return the root path above all mounts."""
    return str(scope.get("app_root_path", scope.get("root_path")) or "").rstrip("/")


def _templates(router: Any, endpoint: Any, prefix: str) -> Iterator[str]:
    for found in _children(router):
        route = getattr(found, "starlette_route", None) or found
        path: str = getattr(route, "path_format", None) or getattr(route, "path", None) or ""
        if getattr(route, "endpoint", None) is endpoint:
            yield prefix + path
        elif _children(route):
            yield from _templates(route, endpoint, prefix + path.replace("/{path}", ""))


def _children(router: Any) -> Any:
    """Return the routes of a router; those of one that FastAPI has included have its prefix."""
    candidates = getattr(router, "effective_candidates", None)
    return (candidates() if candidates is not None else getattr(router, "routes", None)) or ()


def _matches(template: str, path: str) -> bool:
    return re.fullmatch(_PARAMETER.sub(".+", re.escape(template)), path) is not None
