"""Remote sampling: the strategies that SDKs poll, as Jaeger answers on its ports 5778 (HTTP) and 5779 (gRPC).

Format: https://www.jaegertracing.io/docs/2.13/architecture/sampling/#remote-sampling.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devenv.backend.api.sampling_messages import encoded, service_of
from devenv.http.server.message import HttpRequest, Response
from devenv.http.server.router import Route
from devenv.otlp import messages
from devenv.otlp.wire import Undecodable

PATHS = ("/", "/sampling", "/api/sampling")
"""Go's sampler asks the address of its setting as it is, without a path."""

CALL = "/jaeger.api_v2.SamplingManager/GetSamplingStrategy"
"""The method over gRPC, as its path."""

_PROTOBUF = "application/x-protobuf"
_INVALID_ARGUMENT = 3


class SamplingApi:
    """The handler; ``strategies`` are the answers by service, and under ``""`` that for the others."""

    def __init__(self, strategies: Mapping[str, Mapping[str, Any]]) -> None:
        self._strategies = strategies

    def routes(self) -> list[Route]:
        """Return the paths over HTTP."""
        return [Route("GET", path, self.strategy) for path in PATHS]

    def calls(self) -> list[Route]:
        """Return the method over gRPC, if there is something to answer."""
        return [Route("POST", CALL, self.call)] if self._strategies else []

    def call(self, request: HttpRequest) -> Response:
        """A SamplingStrategyParameters: the SamplingStrategyResponse of the service."""
        try:
            service = service_of(request.body)
        except Undecodable as error:
            status = messages.RpcStatus(code=_INVALID_ARGUMENT, message=str(error).encode())
            return Response(400, status.SerializeToString(), _PROTOBUF)
        return Response(200, encoded(self._of(service)), _PROTOBUF)

    def _of(self, service: str) -> Mapping[str, Any]:
        return self._strategies.get(service) or self._strategies[""]

    def strategy(self, request: HttpRequest) -> Response:
        """``?service=…``, once: the strategy of the service."""
        try:
            services = request.parameters().every("service")
        except ValueError as error:
            return Response.text(f"{error}\n", 400)
        if len(services) != 1:
            return Response.text("'service' parameter must be provided once\n", 400)
        return Response.json(dict(self._of(services[0])))
