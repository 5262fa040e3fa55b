"""The configuration of a real Jaeger, its ports, and whether it answers."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any


def jaeger_config(backend: Mapping[str, Any], ports: list[int]) -> dict[str, Any]:
    """One on `ports` of loopback (query, OTLP over HTTP and gRPC, sampling, health, query over gRPC)."""
    query, otlp_http, otlp_grpc, sampling, health, query_grpc = (f"127.0.0.1:{port}" for port in ports)
    return {
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query", "healthcheckv2", "remote_sampling"],
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}},
            "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "warn"}},
        },
        "extensions": {
            "jaeger_storage": {"backends": {"store": dict(backend)}},
            "jaeger_query": {
                "storage": {"traces": "store"},
                "enable_tracing": False,  # its own spans would be in the store, and hold up its stop for 10 s
                "http": {"endpoint": query},
                "grpc": {"endpoint": query_grpc},
            },
            "healthcheckv2": {"use_v2": True, "http": {"endpoint": health}},
            "remote_sampling": {
                "file": {"path": "", "default_sampling_probability": 1},
                "http": {"endpoint": sampling},
                "grpc": {"endpoint": "127.0.0.1:0"},
            },
        },
        "receivers": {
            "otlp": {"protocols": {"http": {"endpoint": otlp_http}, "grpc": {"endpoint": otlp_grpc}}},
        },
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "store"}},
    }


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on now, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
