"""The trace backend that devenv configures: Jaeger 2, with its storage from ``x-devenv.jaeger``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from devenv.contract.sampling_strategies import strategies_file
from devenv.errors import Location
from devenv.http.browser_origins import LOOPBACK_ORIGINS
from devenv.model.extension import HttpReady, Ready, Sampling, ServiceExtension, StackExtension
from devenv.model.stack import Attachment, FileMount, FileSource, Mount, Port, Service, Volume
from devenv.otlp.backend_ports import (
    HEALTH_PORT,
    OTLP_GRPC_PORT,
    OTLP_HTTP_PORT,
    QUERY_GRPC_PORT,
    QUERY_PORT,
    SAMPLING_GRPC_PORT,
    SAMPLING_PORT,
)

if TYPE_CHECKING:
    from devenv.model.stack import Stack

ADDED_BACKEND = "jaeger"
"""Name of the service that devenv adds to a stack without a trace backend."""

IMAGE = "jaegertracing/jaeger"
CONFIG_KEY = "devenv-jaeger"
CONFIG_PATH = "/etc/jaeger/devenv.json"
STRATEGIES_KEY = "devenv-jaeger-sampling"
STRATEGIES_PATH = "/etc/jaeger/devenv-sampling.json"
DATA_KEY = "jaeger-data"

DATA_PATH = "/tmp"  # noqa: S108 - a directory of the image, not of this machine
"""Mount point of badger's volume. Jaeger runs as user 10001 and its image has no data directory. A new volume gets the
mode of the directory that it covers, and only ``/tmp`` is writable for every user."""

_RELEASE = re.compile(r"v?(\d+)\.(\d+)(?:\.\d+)?")
_MCP_AT_QUERY_PORT = (2, 20)
PUBLISHED = (QUERY_PORT, OTLP_GRPC_PORT, OTLP_HTTP_PORT)
_LISTEN = "0.0.0.0"  # noqa: S104 - inside its container; published ports are bound to loopback


def added_backend(x: StackExtension) -> Service:
    """Return the service for a stack without a trace backend; the caller attaches its networks."""
    published = (*PUBLISHED, SAMPLING_PORT) if isinstance(x.sampling, Sampling) else PUBLISHED
    return Service(
        name=ADDED_BACKEND,
        x=ServiceExtension(role="trace-backend"),
        location=Location("added by devenv"),
        image=f"{IMAGE}:{x.jaeger.version}",
        ports=tuple(Port(container=port, host=port, address="127.0.0.1") for port in published),
    )


def is_managed(service: Service) -> bool:
    """Return whether devenv configures ``service``: it is Jaeger 2 and does not have its own configuration."""
    repository = (service.image or "").split("@")[0]
    if repository.rpartition("/")[2].split(":")[0] != "jaeger" or service.entrypoint is not None:
        return False
    return not any(part.startswith("--config") for part in service.command or ())


def release(image: str | None) -> tuple[int, int] | None:
    """Return the major and minor number in an image's tag; ``None`` if it has none, as ``latest`` or a digest alone."""
    tag = (image or "").split("@")[0].rpartition("/")[2].partition(":")[2]
    found = _RELEASE.fullmatch(tag)
    return (int(found[1]), int(found[2])) if found else None


def configured(stack: Stack, service: Service) -> tuple[Stack, Service]:
    """Return ``service`` with a configuration written by devenv, and the stack with the config and volume for it."""
    settings = stack.x.jaeger
    files = {CONFIG_KEY: (CONFIG_PATH, configuration(stack.x, release(service.image)))}
    if isinstance(stack.x.sampling, Sampling):
        files[STRATEGIES_KEY] = (STRATEGIES_PATH, strategies_file(stack.x.sampling))
    configs = dict(stack.configs)
    for key, (path, content) in files.items():
        configs[key] = FileSource(key=key, content=json.dumps(content, indent=1, sort_keys=True))
        service = replace(service, configs=(*service.configs, FileMount(source=key, target=path, mode=0o444)))
    service = replace(service, command=(*(service.command or ()), "--config", CONFIG_PATH))
    volumes = stack.volumes
    if settings.storage == "badger":
        volumes = {**volumes, DATA_KEY: volumes.get(DATA_KEY, Volume(key=DATA_KEY))}
        data = Mount(kind="volume", source=DATA_KEY, target=DATA_PATH)
        service = replace(service, mounts=(*service.mounts, data))
    if service.x.ready is None and service.healthcheck is None:
        ready = Ready(http=HttpReady(path="/status", port=HEALTH_PORT))
        service = replace(service, x=service.x.model_copy(update={"ready": ready}))
    return replace(stack, configs=configs, volumes=volumes), service


def with_traces_on_disk(stack: Stack) -> Stack:
    """Return ``stack`` with ``x-devenv.jaeger.storage: badger``."""
    jaeger = stack.x.jaeger.model_copy(update={"storage": "badger"})
    return replace(stack, x=stack.x.model_copy(update={"jaeger": jaeger}))


def attached(service: Service, networks: Mapping[str, object]) -> Service:
    """Return ``service``, attached to each of ``networks`` (keys of the stack) as well."""
    if service.network_mode is not None:
        return service
    have = {attachment.network for attachment in service.networks}
    return replace(
        service, networks=(*service.networks, *(Attachment(network=key) for key in networks if key not in have))
    )


def configuration(x: StackExtension, version: tuple[int, int] | None = None) -> dict[str, Any]:
    """Return Jaeger's configuration: all-in-one, traces only, with the storage and the sampling of ``x``.

    Args:
        x: ``x-devenv``.
        version: major and minor number; without it, only what every version from 2.13 on accepts.
    """
    settings = x.jaeger
    strategies = STRATEGIES_PATH if isinstance(x.sampling, Sampling) else ""
    store: dict[str, Any] = {"memory": {"max_traces": settings.max_traces}}
    if settings.storage == "badger":
        directories = {"keys": f"{DATA_PATH}/jaeger/keys", "values": f"{DATA_PATH}/jaeger/values"}
        ttl = {"spans": f"{max(1, round(settings.max_age))}s"}
        store = {"badger": {"directories": directories, "ephemeral": False, "ttl": ttl}}
    cors = {"allowed_origins": [*LOOPBACK_ORIGINS, *settings.cors_origins], "allowed_headers": ["*"]}
    return {
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query", "remote_sampling", "healthcheckv2"],
            "pipelines": {
                "traces": {"receivers": ["otlp"], "processors": ["batch"], "exporters": ["jaeger_storage_exporter"]}
            },
            "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "warn"}},
        },
        "extensions": {
            "jaeger_storage": {"backends": {"traces": store}},
            "jaeger_query": {
                "storage": {"traces": "traces"},
                # Its own traces would be among the user's, and exporting their last batch delays its stop by 10 s.
                "enable_tracing": False,
                "http": {"endpoint": f"{_LISTEN}:{QUERY_PORT}"},
                "grpc": {"endpoint": f"{_LISTEN}:{QUERY_GRPC_PORT}"},
                **_ai(version),
            },
            "remote_sampling": {
                "file": {"path": strategies, "default_sampling_probability": x.sampling_ratio},
                "http": {"endpoint": f"{_LISTEN}:{SAMPLING_PORT}"},
                "grpc": {"endpoint": f"{_LISTEN}:{SAMPLING_GRPC_PORT}"},
            },
            "healthcheckv2": {"use_v2": True, "http": {"endpoint": f"{_LISTEN}:{HEALTH_PORT}"}},
        },
        "receivers": {
            "otlp": {
                "protocols": {
                    "grpc": {"endpoint": f"{_LISTEN}:{OTLP_GRPC_PORT}"},
                    "http": {"endpoint": f"{_LISTEN}:{OTLP_HTTP_PORT}", "cors": cors},
                }
            },
        },
        # Small batches: a trace can be found within a second, and storage is on the same machine.
        "processors": {"batch": {"timeout": "50ms", "send_batch_size": 512}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "traces"}},
    }


def _ai(version: tuple[int, int] | None) -> dict[str, Any]:
    """Jaeger's MCP server below ``/api/ai/mcp/`` on the query port, under the key that each version reads.

    2.15 to 2.19 have it as an extension with another port, which would have to be published: they go without.
    """
    if version is None or version < _MCP_AT_QUERY_PORT:
        return {}
    return {"ai": {"enable_mcp": True} if version == _MCP_AT_QUERY_PORT else {"mcp": {}}}
