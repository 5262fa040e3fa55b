"""``devenv map``: who calls whom, as the traces show and as the stack declares it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.app.traces.traced_project import TracedProject, traced_project
from devenv.immutable import immutable
from devenv.model.analysis.map_document import EdgePart, MapDocument, NodePart
from devenv.orchestrate.instrumentation.infrastructure import image_of, kind_of_image
from devenv.traces.query import Query, rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.analysis.service_map.peers import PeerKind
    from devenv.analysis.service_map.service_map import ServiceMap
    from devenv.app.invocation import Invocation

TIMEOUT = 60.0
"""Seconds for one request to the trace backend: a page of large traces."""

SETTLING_NS = 5_000_000_000
"""After the end of a call, spans of the called service may still arrive."""

_KINDS: Mapping[str, PeerKind] = {"database": "database", "broker": "messaging"}


@immutable()
class MapResult:
    """A service map, and its document."""

    found: ServiceMap
    document: MapDocument


async def map_services(invocation: Invocation, *, start_ns: int, end_ns: int, limit: int) -> MapResult:
    """The service map of the newest traces of some time.

    Args:
        invocation: the global options.
        start_ns: of the time, nanoseconds since the epoch.
        end_ns: of the time.
        limit: maximum number of traces that are read.

    Raises:
        NotUp: If the project is not running.
        BackendUnavailable: If its trace backend does not respond.
        StackFileError: If its stack file is not valid.
    """
    from devenv.analysis.own_spans import without_own
    from devenv.analysis.service_map.declared import declared_edges
    from devenv.analysis.service_map.edges import Observed
    from devenv.analysis.service_map.service_map import service_map
    from devenv.analysis.tree import build_tree
    from devenv.traces.client import TraceClient
    from devenv.traces.window import TraceWindow

    around = await traced_project(invocation)
    observed = Observed(around.callees, end_ns - SETTLING_NS)
    async with TraceClient(around.backend.query_url, token=around.backend.token, timeout=TIMEOUT) as client:
        window = TraceWindow(client, Query(start_ns=start_ns, end_ns=end_ns, limit=limit))
        async for page in window.pages():
            for trace in page:
                if (theirs := without_own(trace)) is not None:
                    observed.add(build_tree(theirs))
        url = client.ui.dependencies()
    declared = declared_edges(around.stack, around.names) if around.stack is not None else None
    found = service_map(observed, declared, _kinds(around))
    document = MapDocument(
        source=around.backend.kind,
        nodes=[NodePart(name=node.name, kind=node.kind, spans=node.spans) for node in found.nodes],
        edges=[
            EdgePart(
                caller=edge.caller,
                callee=edge.callee,
                declared=bool(edge.declared),
                observed=edge.observed,
                calls=edge.calls,
                errors=edge.errors,
                p50_ms=edge.p50_ms,
                p99_ms=edge.p99_ms,
                example_traces=list(edge.examples),
                in_process=edge.in_process,
                not_continued=edge.not_continued,
            )
            for edge in found.edges
        ],
        since=rfc3339(start_ns),
        until=rfc3339(end_ns),
        looked_at=window.looked_at,
        older_left_out=window.more,
        declared_known=declared is not None,
        ui_url=url,
    )
    return MapResult(found, document)


def _kinds(around: TracedProject) -> dict[str, PeerKind]:
    """The kinds of the stack's services, by their names in traces."""
    if around.stack is None:
        return {}
    services = around.stack.services
    return {
        name: _KINDS.get(kind_of_image(image_of(services[key])) or "", "service") for key, name in around.names.items()
    }
