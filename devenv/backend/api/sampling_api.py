"""Remote sampling: the strategies that SDKs poll, as Jaeger answers on its port 5778.

Format: https://www.jaegertracing.io/docs/2.13/architecture/sampling/#remote-sampling.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devenv.http.server.message import HttpRequest, Response
from devenv.http.server.router import Route

PATHS = ("/sampling", "/api/sampling")


class SamplingApi:
    """The handler; ``strategies`` are the answers by service, and under ``""`` that for the others."""

    def __init__(self, strategies: Mapping[str, Mapping[str, Any]]) -> None:
        self._strategies = strategies

    def routes(self) -> list[Route]:
        """Return Jaeger's two paths."""
        return [Route("GET", path, self.strategy) for path in PATHS]

    def strategy(self, request: HttpRequest) -> Response:
        """``?service=…``, once: the strategy of the service."""
        try:
            services = request.parameters().every("service")
        except ValueError as error:
            return Response.text(f"{error}\n", 400)
        if len(services) != 1:
            return Response.text("'service' parameter must be provided once\n", 400)
        return Response.json(dict(self._strategies.get(services[0]) or self._strategies[""]))
