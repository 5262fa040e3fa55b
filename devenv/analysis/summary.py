"""The summary of a trace, for search results of the command line, the pages and API v3."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from devenv.model.trace import OWN_SERVICE, Trace, TraceSummary

_NOTHING = (0, "", "", "")


class Outline(NamedTuple):
    """What a summary needs of one span; fields as in :class:`~devenv.model.span.Span`."""

    service: str
    name: str
    span_id: str
    parent_id: str | None
    start_ns: int
    end_ns: int
    is_error: bool


class Outlines:
    """The outlines of a trace's spans, added one by one.

    The work is done with each span: the summary of a large trace, made at once, would hold up what runs beside it.
    """

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._without_parent: Counter[str] = Counter()  # spans by the ID of a parent that was not added yet
        self._root: tuple[int, str, str, str] | None = None
        self._root_of_system: tuple[int, str, str, str] | None = None
        self._own: set[str] = set()
        self._first_below: dict[str, tuple[int, str, str, str]] = {}
        self._counts: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._start: int | None = None
        self._end = 0

    def add(self, span: Outline) -> None:
        """Add one span."""
        self._ids.add(span.span_id)
        self._without_parent.pop(span.span_id, None)
        found = (span.start_ns, span.span_id, span.service, span.name)
        if span.service == OWN_SERVICE:
            self._own.add(span.span_id)
        if span.parent_id is None:
            self._root = min(self._root or found, found)
            if span.service != OWN_SERVICE:
                self._root_of_system = min(self._root_of_system or found, found)
        else:
            if span.parent_id not in self._ids:
                self._without_parent[span.parent_id] += 1
            self._first_below[span.parent_id] = min(self._first_below.get(span.parent_id, found), found)
        self._counts[span.service] += 1
        if span.is_error:
            self._errors[span.service] += 1
        if self._start is None or span.start_ns < self._start:
            self._start = span.start_ns
        self._end = max(self._end, span.end_ns)

    def _entry(self) -> tuple[int, str, str, str]:
        """The first span of the system: a root, or what is below devenv's own span that sent the request."""
        if self._root_of_system is not None:
            return self._root_of_system
        below = [found for own in self._own if (found := self._first_below.get(own)) and found[2] != OWN_SERVICE]
        return min(below, default=_NOTHING)

    def summary(self, trace_id: str) -> TraceSummary:
        """Return the summary of the trace."""
        _, _, root_service, root_operation = self._root or _NOTHING
        _, _, entry_service, entry_operation = self._entry()
        return TraceSummary(
            trace_id=trace_id,
            root_service=root_service,
            root_operation=root_operation,
            start_ns=self._start or 0,
            end_ns=self._end,
            spans=self._counts.total(),
            errors=self._errors.total(),
            orphans=self._without_parent.total(),
            services=tuple((name, count, self._errors[name]) for name, count in sorted(self._counts.items())),
            entry_service=entry_service,
            entry_operation=entry_operation,
        )


def summarize(trace: Trace) -> TraceSummary:
    """Return the summary of a trace."""
    found = Outlines()
    for span in trace.spans:
        end_ns = max(span.start_ns, span.end_ns)
        found.add(Outline(span.service, span.name, span.span_id, span.parent_id, span.start_ns, end_ns, span.is_error))
    return found.summary(trace.trace_id)
