"""How well the spans of a service can be used, for Jaeger's Trace Quality page: only what the stored spans show."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

from devenv.backend.query.shared_span_ids import decoded
from devenv.backend.store.decoding import Steps, snapshot
from devenv.backend.store.store import Store
from devenv.immutable import immutable

Rule = Literal["parent", "unique", "kind", "times"]
RULES: tuple[Rule, ...] = ("parent", "unique", "kind", "times")
"""The parent is stored; no other span has the ID; the kind is set; the end is not before the start."""
MOST_EXAMPLES = 10
_TRACES = 64
_PAIR = frozenset({2, 3})  # server and client


@immutable()
class Verdict:
    """How many spans meet a rule, and examples of each: trace ID and span ID."""

    counts: dict[str, int]
    examples: dict[str, list[tuple[bytes, bytes]]]

    def add(self, outcome: Literal["pass", "fail", "exempt"], example: tuple[bytes, bytes]) -> None:
        """Count a span."""
        self.counts[outcome] = self.counts.get(outcome, 0) + 1
        known = self.examples.setdefault(outcome, [])
        if len(known) < MOST_EXAMPLES:
            known.append(example)


def quality(store: Store, service: str, start: int) -> Steps[dict[Rule, Verdict]]:
    """Judge each span of a service that started at ``start`` (ns) or later; a root span is exempt from ``parent``."""
    verdicts = {rule: Verdict({}, {}) for rule in RULES}
    for number, trace in enumerate(store.newest(service), 1):
        if number % _TRACES == 0:
            yield None
        if not trace.alive or trace.end < start:
            continue
        taken = yield from decoded(snapshot(trace, store.scopes), separate=False)
        ids: Counter[bytes] = Counter()
        kinds: dict[bytes, set[int]] = {}
        own: list[Any] = []
        for scope, parts in taken.chunks:
            for spans in parts:
                for span in spans:
                    ids[span.span_id] += 1
                    kinds.setdefault(span.span_id, set()).add(span.kind)
                    if scope.service.name == service and span.start >= start:
                        own.append((span.span_id, span.parent_span_id, span.kind, span.end >= span.start))
                yield None
        for span_id, parent, kind, ordered in own:
            example = (trace.id, span_id)
            verdicts["parent"].add("exempt" if not any(parent) else _word(parent in ids), example)
            # Client and server share an ID in Zipkin's model.
            verdicts["unique"].add(_word(ids[span_id] == 1 or (ids[span_id] == 2 and kinds[span_id] == _PAIR)), example)
            verdicts["kind"].add(_word(kind != 0), example)
            verdicts["times"].add(_word(ordered), example)
    return verdicts


def _word(met: bool) -> Literal["pass", "fail"]:
    return "pass" if met else "fail"
