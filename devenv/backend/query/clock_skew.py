"""By how much the times of spans do not fit those of their parents, as Jaeger computes it from their hosts' clocks.

Jaeger's query service compares a span with its parent if they are not known to be of one host. By default it moves
nothing, and warns. The rules are those of its clock skew adjuster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from devenv.backend.store.decoding import Steps
from devenv.backend.store.scopes import Scope
from devenv.immutable import immutable
from devenv.model.span import Value

_AT_ONCE = 512
"""Spans that are compared in one step, in less than a millisecond."""


@immutable()
class Judged:
    """What is known of a trace for warnings about its spans.

    Attributes:
        known: the IDs of all spans.
        skews: by how many ns spans do not fit their parents, by ID; empty if the trace is wanted as it was sent.
        adjusted: whether it is wanted as Jaeger adjusts it.
    """

    known: frozenset[bytes]
    skews: Mapping[bytes, int]
    adjusted: bool


class TimedSpan(NamedTuple):
    """What the rules look at: times in ns, the host (empty if it is unknown), and the parent's ID."""

    parent: bytes
    start: int
    end: int
    host: str


def host_of(scope: Scope) -> str:
    """Return what tells the host of a resource from others; empty if the resource does not say."""
    found: str | None = scope.written.get("host")
    if found is None:
        found = scope.written["host"] = _host(scope.resource)
    return found


def _host(resource: Mapping[str, Value]) -> str:
    for name in ("host.id", "host.ip", "host.name"):
        if name in resource:
            value = resource[name]
            if name == "host.ip" and isinstance(value, list):
                value = value[0] if value else None
                if value is None:
                    continue
            return value if isinstance(value, str) else ""
    return ""


def one_clock(hosts: Iterable[str]) -> bool:
    """Return whether all hosts are known to be the same."""
    found = set(hosts)
    return len(found) == 1 and "" not in found


def clock_skews(spans: Mapping[bytes, TimedSpan]) -> dict[bytes, int]:
    """Return by how many ns each span would have to be moved, by ID; spans that fit are left out."""
    steps = skew_steps(spans)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: dict[bytes, int] = end.value
            return found


def skew_steps(spans: Mapping[bytes, TimedSpan]) -> Steps[dict[bytes, int]]:
    """Find the same in steps."""
    children: dict[bytes, list[bytes]] = {}
    misfit = False
    # A root span, or one whose parent is not stored, is where the clock of its host is taken for right.
    waiting: list[tuple[bytes, int, str]] = []
    for number, (span_id, span) in enumerate(spans.items(), 1):
        if number % _AT_ONCE == 0:
            yield None
        above = spans.get(span.parent)
        if above is None:
            waiting.append((span_id, 0, span.host))
        elif span.parent != span_id:
            children.setdefault(span.parent, []).append(span_id)
            misfit = misfit or _skew(span, above) != 0
    if not misfit:
        return {}
    found: dict[bytes, int] = {}
    number = 0
    while waiting:
        span_id, delta, host = waiting.pop()
        if delta:
            found[span_id] = delta
        for below in children.get(span_id, ()):
            number += 1
            if number % _AT_ONCE == 0:
                yield None
            span = spans[below]
            same = span.host == host != ""
            waiting.append((below, delta if same else _skew(span, spans[span_id]), span.host))
    return found


def _skew(span: TimedSpan, above: TimedSpan) -> int:
    took, around = span.end - span.start, above.end - above.start
    if took > around:
        # It may last longer than its parent, but does not begin before it.
        return max(above.start - span.start, 0)
    if above.start <= span.start and span.end <= above.end:
        return 0
    return above.start + (around - took) // 2 - span.start  # request and response take equally long
