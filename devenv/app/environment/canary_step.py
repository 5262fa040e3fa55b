"""The last step of ``up``: the canary request through the entry point, or the reason why none is sent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.app.traces.export_trouble import troubles
from devenv.app.traces.setups import name_in_spans, names_in_spans
from devenv.immutable import immutable
from devenv.model.documents import CanaryDocument
from devenv.orchestrate.naming import entrypoint_of

if TYPE_CHECKING:
    from devenv.app.urls import BackendAddress
    from devenv.clock import Clock
    from devenv.contract.engine import Engine
    from devenv.events import Sink
    from devenv.model.stack import Service, Stack
    from devenv.model.state import ObservedState

GOOD_VERDICTS = frozenset({"complete", "skipped"})
"""Verdicts of the canary with which ``up`` succeeds."""

UNDECLARED_PATIENCE = 30.0
"""Seconds during which a canary is sent again of which the stack file says nothing.

Services of such a stack rarely have a probe, and some still start while the entry point already answers: a Java
program with its agent takes 10 s of CPU until it listens.
"""

NOT_READY = "not every service is ready"
"""Why no canary is sent after a failure."""


@immutable(kw_only=True)
class CanaryRoute:
    """Addresses that the canary needs."""

    entrypoint_url: str
    backend: BackendAddress


def canary_route(
    *,
    wanted: bool,
    ready: bool,
    awaited: bool = True,
    backend: BackendAddress | None,
    entrypoint_url: str | None,
    entrypoint: str | None = None,
    candidates: tuple[str, ...] = (),
) -> CanaryRoute | str:
    """Return where the canary goes, or the reason why none can be sent.

    Args:
        wanted: the user did not switch it off.
        ready: every service is ready.
        awaited: the entry point was waited for, see ``--wait-for``.
        backend: the trace backend, if it is reachable.
        entrypoint_url: base URL of the entry point, if the stack has one.
        entrypoint: name of the entry point, if the stack has one.
        candidates: services that could be the entry point, if the stack file does not say which one it is.
    """
    if not wanted:
        return "--no-canary"
    if not ready:
        return NOT_READY
    if not awaited:
        return f"the entry point {entrypoint} was not waited for: to send the canary, add --wait-for {entrypoint}"
    if backend is None:
        return "the trace backend is not reachable from this machine"
    if entrypoint_url is None and candidates:
        several = ", ".join(candidates)
        return (
            f"{several} publish ports: add `x-devenv: {{entrypoint: {candidates[0]}}}` to the stack file to choose one"
        )
    if entrypoint_url is None and entrypoint is not None:
        return f"the entry point {entrypoint} does not publish a port: add one under ports: in the stack file"
    if entrypoint_url is None:
        return "no entry point: set x-devenv.entrypoint to a service that publishes a port"
    return CanaryRoute(entrypoint_url=entrypoint_url, backend=backend)


def with_canary_path(stack: Stack, path: str) -> Stack:
    """Return ``stack`` with another path (and query) of its canary request."""
    from devenv.model.extension import Request

    request = (stack.x.canary or Request()).model_copy(update={"path": path})
    return replace(stack, x=stack.x.model_copy(update={"canary": request}))


async def run_canary(
    route: CanaryRoute | str,
    stack: Stack,
    engine: Engine,
    observed: ObservedState,
    *,
    clock: Clock,
    sink: Sink,
    added: tuple[str, ...] = (),
) -> CanaryDocument:
    """Send the canary and return its verdict; if it is incomplete, with log lines about failed exports.

    Args:
        route: from :func:`canary_route`.
        stack: as resolved from its files.
        engine: has the services' output.
        observed: the project's instances.
        clock: paces the questions to the backend.
        sink: gets the events.
        added: services to which devenv has added tracing.
    """
    if isinstance(route, str):
        return CanaryDocument(verdict="skipped", cause=route)
    from devenv.app.traces.called_services import find_callees, services_without_spans
    from devenv.app.traces.canary import FIRST_MOMENTS, lean_sender, send_canary
    from devenv.app.traces.setups import tracing_setups, with_refusals
    from devenv.app.traces.tracing_signs import find_tracing_sign
    from devenv.model.extension import Request
    from devenv.traces.client import TraceClient

    request = stack.x.canary or Request()
    async with TraceClient(route.backend.query_url, sender=lean_sender, token=route.backend.token) as client:
        canary = await send_canary(
            entrypoint_url=route.entrypoint_url,
            request=request,
            expected_services=request.services,
            client=client,
            otlp_http_url=route.backend.otlp_http_url,
            clock=clock,
            sink=sink,
            setups=tracing_setups(stack, engine.capabilities),
            callees=await find_callees(stack, observed, engine),
            entrypoint=_entrypoint(stack),
            look=lambda: find_tracing_sign(stack, observed, engine),
            ask_receivers=lambda setups: with_refusals(setups, stack, observed, engine),
            any_status=stack.x.canary is None,
            patience=FIRST_MOMENTS if stack.x.canary else UNDECLARED_PATIENCE,
        )
        if canary.verdict != "absent":
            seen = {*canary.services, *canary.missing}
            quiet = await services_without_spans(client, stack, observed, now=clock.now(), seen=seen)
            canary = canary.model_copy(update={"no_spans_yet": quiet})
    if canary.verdict in GOOD_VERDICTS:
        return canary
    if canary.untraced and added:
        cause = (
            f"no span came from {', '.join(added)}, to which devenv added tracing: "
            "the library traces nothing that answered the request, or its log says why it did not start"
        )
        return canary.model_copy(update={"untraced": False, "cause": cause})
    if canary.untraced:
        from devenv.app.traces.first_tracing import first_tracing

        return canary.model_copy(update={"advice": first_tracing(stack, engine.capabilities)})
    said = await troubles(engine, observed, names_in_spans(stack), canary.missing, now=clock.now())
    return canary.model_copy(update={"said": said})


def spans_in(canary: CanaryDocument, service: Service) -> int | None:
    """How many spans of a service the canary trace has; ``None`` if there was no request."""
    return None if canary.trace_id is None else canary.spans_of.get(name_in_spans(service), 0)


def _entrypoint(stack: Stack) -> str:
    """The service name in the entry point's spans; empty if the stack has no entry point."""
    service = stack.services.get(entrypoint_of(stack) or "")
    return name_in_spans(service) if service else ""
