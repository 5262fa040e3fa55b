"""URLs of a running project on this machine: entry point and trace backend."""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING

from devenv.errors import BackendUnavailable
from devenv.immutable import immutable
from devenv.model.state import State
from devenv.otlp.backend_ports import OTLP_HTTP_PORT, QUERY_PORT

if TYPE_CHECKING:
    from devenv.app.session import Running
    from devenv.contract.capabilities import BackendKind
    from devenv.contract.engine import Engine
    from devenv.model.state import ObservedInstance, ObservedState, PublishedPort

_LISTENING = frozenset({State.RUNNING, State.RESTARTING, State.PAUSED})


@immutable(kw_only=True)
class BackendAddress:
    """The trace backend; the UI and the query API are at one address, and want ``token`` if there is one.

    ``storage`` is the folder with its traces, if they are on disk and on this machine.
    """

    kind: BackendKind
    query_url: str
    otlp_http_url: str
    token: str = field(default="", repr=False)
    storage: str = ""
    storage_notices: tuple[str, ...] = ()


def url_of(port: PublishedPort) -> str:
    """HTTP URL of a published port, for use on this machine."""
    host = "127.0.0.1" if port.address in {"0.0.0.0", "::", ""} else port.address  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{port.host}" if ":" in host else f"http://{host}:{port.host}"


async def port_url(engine: Engine, instance: ObservedInstance, port: int) -> str | None:
    """URL of ``port`` of an instance: as published, else at its own address if that is reachable from this machine."""
    for published in instance.ports:
        if published.container == port and published.host:
            return url_of(published)
    endpoint = await engine.endpoint(instance.id, port)
    return f"http://{endpoint.host}:{endpoint.port}" if endpoint else None


def entrypoint_url(observed: ObservedState, service: str | None) -> str | None:
    """URL of the entry point's first published port; ``None`` if the service does not exist or publishes none."""
    if service is None:
        return None
    for instance in observed.of(service):
        for port in instance.ports:
            if port.protocol == "tcp" and port.host:
                return url_of(port)
    return None


async def trace_backend(engine: Engine, observed: ObservedState, service: str | None) -> BackendAddress | None:
    """The trace backend of a project; ``None`` if none is reachable from this machine."""
    for instance in observed.of(service) if service else ():
        if instance.state not in _LISTENING:
            continue
        query_url = await port_url(engine, instance, QUERY_PORT)
        otlp_url = await port_url(engine, instance, OTLP_HTTP_PORT)
        if query_url and otlp_url:
            kind = engine.capabilities.trace_backend
            address = BackendAddress(kind=kind, query_url=query_url, otlp_http_url=otlp_url)
            return await _with_own(engine, instance, address) if kind == "embedded" else address
    return None


async def _with_own(engine: Engine, instance: ObservedInstance, address: BackendAddress) -> BackendAddress:
    endpoint = await engine.endpoint(instance.id, QUERY_PORT)
    if endpoint is None:
        return address
    return replace(address, token=endpoint.token, storage=endpoint.storage, storage_notices=endpoint.storage_notices)


async def require_backend(running: Running) -> BackendAddress:
    """The trace backend of a running project.

    Raises:
        BackendUnavailable: If none is reachable from this machine.
    """
    backend = await trace_backend(running.engine, running.observed, running.record.trace_backend)
    if backend is None:
        raise BackendUnavailable(
            f"the trace backend of {running.project.name} is not reachable from this machine",
            hint="run `devenv up` again; if the stack has its own trace backend, publish its ports 16686 and 4318",
        )
    return backend
