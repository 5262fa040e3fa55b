"""A filter over the store: what excludes a trace, the test of a span, and the test of a whole trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from devenv.backend.query.exclusion import may_meet
from devenv.backend.query.stored_spans import StoredReader, StoredSpan, StoredView
from devenv.backend.store.decoding import Snapshot, Steps, snapshot
from devenv.backend.store.records import StoredTrace
from devenv.backend.store.scopes import Scope
from devenv.backend.store.store import Store
from devenv.traces.filters.evaluation import FilterTest, is_whole
from devenv.traces.filters.expression import Call, conjuncts

_BETWEEN_STEPS = 256


class StoredFilter:
    """A prepared filter."""

    def __init__(self, store: Store, filter_: Call) -> None:
        self._store = store
        self._may = may_meet(filter_, store)
        reader = StoredReader()
        self._test = FilterTest(filter_, reader)
        self._span_test = self._test
        self._no_view = StoredView(Snapshot(b"", b"", False, {}))  # a test of one span asks nothing of it
        if self._test.whole:
            parts = tuple(part for part in conjuncts(filter_) if not is_whole(part))
            self._span_test = FilterTest(Call("and", parts), reader)
        self.whole = self._test.whole
        """Whether a span that meets the filter as far as it is about one span does not prove a match."""

    def possible(self, trace: StoredTrace) -> bool:
        """Return False if no span of a trace can meet the filter."""
        return self._may is None or self._may(trace)

    def meets(self, scope: Scope, span: Any) -> bool:
        """Return whether a span meets the filter as far as it is about one span."""
        return self._span_test.meets(StoredSpan(scope, span), self._no_view)

    def confirm(self, trace: StoredTrace, criteria: Callable[[Scope, Any], bool]) -> Steps[bool]:
        """Return whether a span that meets the other criteria meets the whole filter."""
        view = StoredView(snapshot(trace, self._store.scopes))
        yield from view.load()
        yield from self._test.prepare(view)
        for count, each in enumerate(view.spans()):
            if criteria(each.scope, each.span) and self._test.meets(each, view):
                return True
            if count % _BETWEEN_STEPS == 0:
                yield
        return False
