"""Which span of a trace failed first, what failed because of it, and which attempts a retry made good."""

from __future__ import annotations

from collections import Counter

from devenv.analysis.callees import called_address
from devenv.analysis.tree import SKEW_NS, SpanTree
from devenv.immutable import immutable
from devenv.model.span import Span, SpanKind

_ANSWERS = frozenset({SpanKind.SERVER, SpanKind.CONSUMER})
_TARGET_KEYS = ("url.full", "http.url", "url.path", "http.target", "db.query.text", "db.statement")
"""What two calls of one operation are about; calls in a loop over different items are not attempts of one call."""

_CallKey = tuple[str, str, SpanKind, tuple[str, int | None], object]


@immutable()
class SpanFailure:
    """A span that failed by itself.

    Attributes:
        span: it failed, and no call below it explains that.
        taken: the spans above it that failed after it and because of it, the nearest first.
        attempts: how many attempts of the same call failed, with this one.
    """

    span: Span
    taken: tuple[Span, ...] = ()
    attempts: int = 1


@immutable()
class Propagation:
    """The failures of one trace, each list in the order in which they occurred.

    Attributes:
        failures: the first of them failed first.
        retried: those of attempts that a later attempt of the same call made good.
    """

    failures: tuple[SpanFailure, ...] = ()
    retried: tuple[SpanFailure, ...] = ()


NONE = Propagation()


def find_failures(tree: SpanTree) -> Propagation:
    """Find the failures of a trace, in time linear in its spans and the result.

    A span above a failed one failed because of it if it has an error status too and did not end before it. Spans
    without an error in between do not matter, except those of kind server and consumer: what a service answered
    without an error is not a cause further up. A failed attempt after which the same call succeeded is not one either.
    """
    failed = [span for span in tree.spans if span.is_error]
    if not failed:
        return NONE
    retried, attempt_of = _attempts(tree, failed)
    above = _failed_above(tree, retried)
    caused = {id(upper) for upper in above.values()}
    attempts = Counter(id(last) for last in attempt_of.values())
    found: list[SpanFailure] = []
    made_good: list[SpanFailure] = []
    for span in failed:
        if id(span) in caused or id(span) in attempt_of:
            continue
        taken = _chain(span, above)
        failure = SpanFailure(span, taken, 1 + attempts[id(span)])
        (made_good if id((span, *taken)[-1]) in retried else found).append(failure)
    return Propagation(tuple(sorted(found, key=_by_end)), tuple(sorted(made_good, key=_by_end)))


def _by_end(failure: SpanFailure) -> tuple[int, int, str]:
    return failure.span.end_ns, failure.span.start_ns, failure.span.span_id


def _failed_above(tree: SpanTree, retried: set[int]) -> dict[int, Span]:
    """The nearest span above each failed one that failed because of it, by ``id`` of the failed one."""
    nearest: list[Span | None] = []  # by depth: the failed span to which a failure at that depth leads
    found: dict[int, Span] = {}
    for span, depth in tree.walk():
        del nearest[depth:]
        upper = nearest[depth - 1] if depth else None
        if span.is_error:
            if upper is not None and upper.end_ns >= span.end_ns - SKEW_NS and id(span) not in retried:
                found[id(span)] = upper
            nearest.append(span)
        else:
            nearest.append(None if span.kind in _ANSWERS else upper)
    return found


def _chain(span: Span, above: dict[int, Span]) -> tuple[Span, ...]:
    taken: list[Span] = []
    upper = above.get(id(span))
    while upper is not None:
        taken.append(upper)
        upper = above.get(id(upper))
    return tuple(taken)


def _attempts(tree: SpanTree, failed: list[Span]) -> tuple[set[int], dict[int, Span]]:
    """The failed spans that a later attempt made good, and those that a later attempt repeated in vain, with the last.

    Both by ``id``. An attempt is a sibling of the same service, name, kind, peer and target that started after the end
    of the one before.
    """
    retried: set[int] = set()
    attempt_of: dict[int, Span] = {}
    parents = {id(parent): parent for span in failed if (parent := tree.parent(span)) is not None}
    for parent in parents.values():
        groups: dict[_CallKey, list[Span]] = {}
        for child in tree.below(parent):
            groups.setdefault(_call(child), []).append(child)
        for group in groups.values():
            if len(group) > 1:
                _settle(group, retried, attempt_of)
    return retried, attempt_of


def _settle(group: list[Span], retried: set[int], attempt_of: dict[int, Span]) -> None:
    """Sort the failed ones of some attempts, which are in order of start."""
    success: Span | None = None
    failure: Span | None = None
    for span in reversed(group):
        if not span.is_error:
            success = span
        elif success is not None and success.start_ns >= span.end_ns - SKEW_NS:
            retried.add(id(span))
        elif failure is not None and failure.start_ns >= span.end_ns - SKEW_NS:
            attempt_of[id(span)] = failure
        else:
            failure = span


def _call(span: Span) -> _CallKey:
    target = next((value for key in _TARGET_KEYS if (value := span.attributes.get(key)) is not None), None)
    return span.service, span.name, span.kind, called_address(span), str(target)
