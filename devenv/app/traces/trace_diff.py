"""``devenv traces diff``: what is different between two traces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.app.traces.lookup import LARGE_TRACE_TIMEOUT, require_trace_id, running_backend
from devenv.errors import UnknownName
from devenv.model.analysis.trace_diff_document import (
    AttributePart,
    ComparedTracePart,
    PairPart,
    SidePart,
    TraceDiffDocument,
)
from devenv.model.span import NS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devenv.analysis.comparison.trace_pairs import Pair, Side
    from devenv.analysis.tree import SpanTree
    from devenv.app.invocation import Invocation
    from devenv.model.trace import Trace
    from devenv.traces.client import TraceClient
    from devenv.traces.links import UiLinks


async def diff(invocation: Invocation, first: str, second: str) -> TraceDiffDocument:
    """Compare two traces; devenv's own spans are left out.

    Raises:
        UsageError: If an ID is not a trace ID.
        UnknownName: If the backend does not have one of them, or one has only devenv's own spans.
    """
    from devenv.analysis.tree import build_tree
    from devenv.traces.background import in_background
    from devenv.traces.client import TraceClient

    for trace_id in (first, second):
        require_trace_id(trace_id)
    backend = await running_backend(invocation)
    async with TraceClient(backend.query_url, token=backend.token, timeout=LARGE_TRACE_TIMEOUT) as client:
        a, b = await _trace(client, first), await _trace(client, second)
        return await in_background(lambda: document_of(build_tree(a), build_tree(b), client.ui))


async def _trace(client: TraceClient, trace_id: str) -> Trace:
    from devenv.analysis.own_spans import without_own

    found = await client.trace(trace_id)
    theirs = without_own(found) if found is not None else None
    if theirs is None:
        what = "not found in the trace backend" if found is None else "has no spans of services"
        raise UnknownName(f"trace {trace_id} {what}", hint="list traces with `devenv traces search`")
    return theirs


def document_of(a: SpanTree, b: SpanTree, links: UiLinks) -> TraceDiffDocument:
    """The document of two traces."""
    from devenv.analysis.comparison.trace_pairs import main_pair, pair_traces

    diff_ns = a.tops[0].duration_ns - b.tops[0].duration_ns
    pairs = list(pair_traces(a, b))
    return TraceDiffDocument(
        a=_compared(a, links),
        b=_compared(b, links),
        diff_ms=_ms(diff_ns),
        pairs=_pairs(pairs),
        main=main_pair(pairs, diff_ns),
    )


def _compared(tree: SpanTree, links: UiLinks) -> ComparedTracePart:
    top = tree.tops[0]
    return ComparedTracePart(
        trace_id=top.trace_id,
        service=top.service,
        operation=top.name,
        duration_ms=_ms(top.duration_ns),
        spans=len(tree.spans),
        errors=sum(span.is_error for span in tree.spans),
        ui_url=links.trace(top.trace_id),
    )


def _pairs(pairs: Sequence[Pair]) -> list[PairPart]:
    return [
        PairPart(
            depth=pair.depth,
            service=pair.service,
            operation=pair.operation,
            kind=pair.kind.name.lower(),
            a=_side(pair.a),
            b=_side(pair.b),
            diff_ms=_ms(pair.diff_ns),
            self_diff_ms=_ms(pair.self_diff_ns),
            attributes=[AttributePart(key=each.key, a=each.a, b=each.b) for each in pair.attributes],
        )
        for pair in pairs
    ]


def _side(side: Side) -> SidePart:
    return SidePart(spans=side.spans, total_ms=_ms(side.total_ns), self_ms=_ms(side.self_ns), errors=side.errors)


def _ms(nanoseconds: int) -> float:
    return round(nanoseconds / NS_PER_MS, 3)
