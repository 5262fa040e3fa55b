"""Ports of a trace backend, as Jaeger and the OpenTelemetry specification have them."""

from __future__ import annotations

OTLP_GRPC_PORT = 4317
OTLP_HTTP_PORT = 4318
QUERY_PORT = 16686
"""Query APIs and UI over HTTP."""
QUERY_GRPC_PORT = 16685
HEALTH_PORT = 13133
SAMPLING_PORT = 5778
"""Strategies of remote sampling over HTTP; the embedded trace backend listens if the stack has some, for gRPC, too."""
SAMPLING_GRPC_PORT = 5779
"""The same over gRPC, of Jaeger."""
EMBEDDED_PORTS = (QUERY_PORT, OTLP_HTTP_PORT, OTLP_GRPC_PORT, HEALTH_PORT)
"""What the embedded trace backend listens on, of the ports that Jaeger has."""
