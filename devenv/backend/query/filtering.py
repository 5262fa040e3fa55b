"""A filter over the store: what excludes a trace, the test of a span, and the test of a whole trace."""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.message import DecodeError

from devenv.backend.query.exclusion import may_meet
from devenv.backend.query.stored_spans import StoredReader, StoredSpan, StoredView
from devenv.backend.store.decoding import Snapshot, Steps, snapshot
from devenv.backend.store.records import StoredTrace
from devenv.backend.store.scopes import Scope
from devenv.backend.store.store import Store
from devenv.otlp import messages
from devenv.traces.filters.evaluation import FilterTest, Place, is_whole
from devenv.traces.filters.expression import Call, conjuncts, size
from devenv.traces.filters.narrowing import narrowing

_BETWEEN_STEPS = 256


class StoredFilter:
    """A prepared filter."""

    def __init__(self, store: Store, filter_: Call) -> None:
        self._store = store
        self.may = may_meet(filter_, store)
        """Whether a span of a trace may meet the filter, if that can be told quickly."""
        reader = StoredReader()
        self._test = FilterTest(filter_, reader)
        self._span_test = self._test
        # A test of one span asks nothing of its trace.
        self._each = StoredSpan()
        self._place = Place(self._each, StoredView(Snapshot(b"", b"", False, {})))
        if self._test.whole:
            parts = tuple(part for part in conjuncts(filter_) if not is_whole(part))
            self._span_test = FilterTest(Call("and", parts), reader)
        self.weight = size(filter_)
        """How many times as long as one condition a test takes."""
        self.service = narrowing(filter_).service
        """Of the span that meets the filter, if it says that; any if empty."""
        self.whole = self._test.whole
        """Whether a span that meets the filter as far as it is about one span does not prove a match."""

    def meets(self, scope: Scope, payload: bytes) -> bool:
        """Return whether an encoded span meets the filter as far as it is about one span."""
        try:
            self._each.span = messages.OpaqueSpan.FromString(payload)
        except DecodeError:  # it passed the check of its batch only as a part of its neighbour
            return False
        self._each.scope = scope
        return self._span_test.test(self._place)

    def confirm(self, trace: StoredTrace, criteria: Callable[[Scope, bytes], bool]) -> Steps[bool]:
        """Return whether a span that meets the other criteria meets the whole filter."""
        view = StoredView(snapshot(trace, self._store.scopes))
        yield from view.load()
        yield from self._test.prepare(view)
        for count, each in enumerate(view.spans()):
            if self._test.meets(each, view) and criteria(each.scope, each.span.SerializeToString()):
                return True
            if count % max(_BETWEEN_STEPS // self.weight, 1) == 0:
                yield
        return False
