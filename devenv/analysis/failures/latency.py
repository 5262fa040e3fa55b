"""Which operations became slower by themselves, and which only waited for them."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from devenv.analysis.callees import CALLS
from devenv.analysis.failures.episodes import Episode, slow_episode
from devenv.analysis.figures.operations import ANSWERED
from devenv.analysis.figures.self_time import self_time
from devenv.analysis.tree import SpanTree
from devenv.immutable import immutable
from devenv.model.span import Span

Place = tuple[str, str, str]
"""Service, operation, and the caller whose spans show the time, empty if the service's own ones do."""


@immutable(kw_only=True)
class Slower:
    """An operation that is slower than before.

    Attributes:
        seen_by: the service whose calls show it, if the time is between its span and that of the called service.
        since_ns: start of the first slow span, nanoseconds since the epoch.
        before_ns, after_ns: median before, and median of the slow ones: of the self time, or of the duration of an
            operation that only waits.
        requests: slow spans.
        share: of the operation's spans since the first slow one, 0 to 1.
        traces: IDs of the traces with the slow spans, oldest first.
    """

    service: str
    operation: str
    seen_by: str
    since_ns: int
    before_ns: int
    after_ns: int
    requests: int
    share: float
    traces: tuple[str, ...]

    @property
    def cost_ns(self) -> int:
        """Time that it took more than before, in all."""
        return self.requests * (self.after_ns - self.before_ns)


@dataclass(slots=True)
class _Series:
    starts: array[int] = field(default_factory=lambda: array("q"))
    values: array[int] = field(default_factory=lambda: array("q"))
    traces: list[str] = field(default_factory=list)

    def add(self, span: Span, value_ns: int) -> None:
        self.starts.append(span.start_ns)
        self.values.append(value_ns)
        self.traces.append(span.trace_id)

    def slower(self, place: Place) -> Slower | None:
        order = sorted(range(len(self.starts)), key=self.starts.__getitem__)
        starts = [self.starts[number] for number in order]
        found = slow_episode(starts, [self.values[number] for number in order])
        if found is None:
            return None
        return self._slower(place, found, starts, [self.traces[number] for number in order])

    def _slower(self, place: Place, found: Episode, starts: list[int], traces: list[str]) -> Slower:
        return Slower(
            service=place[0],
            operation=place[1],
            seen_by=place[2],
            since_ns=starts[found.first],
            before_ns=found.usual_ns,
            after_ns=found.slow_ns,
            requests=len(found.slow),
            share=len(found.slow) / (len(starts) - found.first),
            traces=tuple(dict.fromkeys(traces[number] for number in found.slow)),
        )


class Latencies:
    """The times of the operations of many traces, which are added one by one; memory grows by 24 bytes for each span.

    Failed spans are left out: how long a failure takes says nothing about an operation. The time between the span of a
    call and that of the called service is the called service's: there a request waits for its turn.

    Args:
        called_by: the service that a client span called, ``None`` if it is not one that should have spans.
    """

    def __init__(self, called_by: Callable[[Span], str | None] = lambda _: None) -> None:
        self._called_by = called_by
        self._own: dict[Place, _Series] = {}
        self._whole: dict[Place, _Series] = {}

    def add(self, tree: SpanTree) -> None:
        """Add one trace."""
        for span in tree.spans:
            if span.is_error:
                continue
            children = tree.below(span)
            place: Place | None = (span.service, span.name, "")
            if span.kind in CALLS:
                place = self._place(span, children)
            elif span.kind in ANSWERED:
                _series(self._whole, (span.service, span.name, "")).add(span, span.duration_ns)
            if place is not None:
                _series(self._own, place).add(span, self_time(span, children))

    def _place(self, span: Span, children: tuple[Span, ...]) -> Place | None:
        """The place of the time of a call itself; ``None`` if the called service should have a span, but has none."""
        for child in children:
            if child.service != span.service:
                return child.service, child.name, span.service
        return None if self._called_by(span) else (span.service, span.name, "")

    def causes(self) -> list[Slower]:
        """The operations that became slower by themselves, the one that cost most time first; usually none.

        What a service's own spans show comes before what only its callers show: a caller that is busy reads late.
        """
        found = _slower(self._own)
        own = {each.service for each in found if not each.seen_by}
        kept = [each for each in found if not (each.seen_by and own)]
        return sorted(kept, key=lambda each: (-each.cost_ns, each.service, each.operation))

    def waiting(self) -> list[Slower]:
        """The operations that answer slower than before, for whatever reason, the most frequent first."""
        found = _slower(self._whole)
        return sorted(found, key=lambda each: (-each.requests, each.since_ns, each.service, each.operation))


def _series(found: dict[Place, _Series], place: Place) -> _Series:
    series = found.get(place)
    if series is None:
        series = found[place] = _Series()
    return series


def _slower(series: dict[Place, _Series]) -> list[Slower]:
    def each() -> Iterator[Slower]:
        for place, values in series.items():
            found = values.slower(place)
            if found is not None:
                yield found

    return list(each())
