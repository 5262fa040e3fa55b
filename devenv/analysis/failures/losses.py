"""Services that lose the context of requests, as components of an incident."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from devenv.analysis.failures.component import EXAMPLES, Cause, Component
from devenv.analysis.propagation import ContextPropagation, Edge, LostContext, suspects


def lost_contexts(contexts: ContextPropagation, starts: Mapping[str, Sequence[int]]) -> list[Cause]:
    """One component for each service that probably loses the context of its calls, or of the requests that it gets.

    Args:
        contexts: the calls.
        starts: when the services started, nanoseconds since the epoch.
    """
    lost = contexts.lost()
    if not lost:
        return []
    kept = contexts.kept()
    found = suspects(lost, kept, starts)
    by_service: dict[str, list[LostContext]] = {}
    unsure: dict[str, str] = {}
    for each in lost:
        edge = each.caller, each.callee
        service = found.get(edge)
        if service is None:
            service = _likelier(each, lost, kept)
            unsure[service] = each.callee if service == each.caller else each.caller
        by_service.setdefault(service, []).append(each)
    return [Cause(_component(service, edges, unsure.get(service, ""))) for service, edges in by_service.items()]


def _likelier(each: LostContext, lost: Sequence[LostContext], kept: Mapping[Edge, Sequence[int]]) -> str:
    """The one of the two services of whose edges the larger part is lost; the caller if both parts are alike."""

    def part(service: str) -> float:
        broken = sum(service in (other.caller, other.callee) for other in lost)
        intact = sum(service in edge and any(start >= each.since_ns for start in kept[edge]) for edge in kept)
        return broken / (broken + intact)

    return max((each.caller, each.callee), key=part)


def _component(service: str, edges: Sequence[LostContext], other: str) -> Component:
    calls = sum(each.calls for each in edges)
    lost = sum(each.lost for each in edges)
    first = edges[0]
    return Component(
        service=service,
        operation=first.calling if service == first.caller else first.operation,
        error=_text(service, edges) + (f" (or {other} is the reason)" if other else ""),
        since_ns=first.since_ns,
        requests=lost,
        share=lost / calls,
        examples=(first.examples[0], first.continued_in[0], *first.examples[1:])[:EXAMPLES],
        kind="lost context",
    )


def _text(service: str, edges: Sequence[LostContext]) -> str:
    many, one = "do not continue", "does not continue"
    if any(each.before for each in edges):
        many, one = "no longer continue", "no longer continues"
    callees = sorted({each.callee for each in edges if each.caller == service})
    callers = sorted({each.caller for each in edges if each.callee == service})
    if not callers:
        return f"{_joined(callees)} {one if len(callees) == 1 else many} its traces"
    text = f"{one} traces of {_joined(callers)}"
    return f"{text}, nor {_joined(callees)} its traces" if callees else text


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
