"""Requests that devenv sent itself: which service took them, and which of them got no response."""

from __future__ import annotations

from collections import Counter

from devenv.analysis.failures.component import EXAMPLES, Component
from devenv.analysis.failures.error_text import error_text
from devenv.analysis.propagation import ContextPropagation
from devenv.model.span import Span
from devenv.model.trace import OWN_SERVICE, REQUEST_KEY, Trace

_STATUS = "http.response.status_code"


class OwnRequests:
    """Requests of ``devenv load`` and of the canary, which are added trace by trace.

    Args:
        contexts: is told which requests lost their context.
    """

    def __init__(self, contexts: ContextPropagation) -> None:
        self._contexts = contexts
        self._entries: Counter[tuple[str, str]] = Counter()
        self._failed: list[tuple[int, Span]] = []
        self._starts: list[int] = []

    def add(self, trace: Trace) -> None:
        """Add the requests of a trace; most traces have one or none."""
        own = {span.span_id: span for span in trace.spans if _is_request(span)}
        if not own:
            return
        answered: dict[str, Span] = {}
        for span in trace.spans:
            if span.parent_id in own and span.service != OWN_SERVICE:
                answered[str(span.parent_id)] = span
        for span_id, span in own.items():
            self._starts.append(span.start_ns)
            below = answered.get(span_id)
            if below is not None:
                self._entries[below.service, below.name] += 1
                self._contexts.add_request(span, below.service)
            elif span.attributes.get(_STATUS) is not None:
                self._contexts.add_request(span, None)
            elif span.is_error:
                self._failed.append((span.end_ns, span))

    def failed(self) -> Component | None:
        """The service that took other requests, if some got no response; ``None`` if none took any."""
        if not self._failed or not self._entries:
            return None
        service, operation = max(sorted(self._entries), key=self._entries.__getitem__)
        failed = sorted(self._failed, key=lambda item: (item[0], item[1].span_id))
        since_ns = failed[0][0]
        later = sum(start >= failed[0][1].start_ns for start in self._starts)
        errors = Counter(error_text(span) for _, span in failed)
        return Component(
            service=service,
            operation=operation,
            error=min(errors.items(), key=lambda item: (-item[1], item[0]))[0],
            since_ns=since_ns,
            requests=len(failed),
            share=len(failed) / max(later, len(failed)),
            examples=tuple(span.trace_id for _, span in failed[:EXAMPLES]),
            seen_by=OWN_SERVICE,
        )


def _is_request(span: Span) -> bool:
    return span.service == OWN_SERVICE and REQUEST_KEY in span.attributes
