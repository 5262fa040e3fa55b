"""gRPC: all four sides. `grpc` imports `grpc.aio` itself, so that one import brings all of them."""

from __future__ import annotations

from devenv.tracing.integrations.rpc import grpc_aio_client, grpc_aio_server, grpc_client, grpc_server


def instrument() -> None:
    """Trace every channel and server, synchronous and asynchronous, that the program makes from now on."""
    grpc_client.instrument()
    grpc_server.instrument()
    grpc_aio_client.instrument()
    grpc_aio_server.instrument()
