"""Two traces side by side, worked by hand, and what `devenv traces diff` says about them."""

from __future__ import annotations

import io
from dataclasses import replace

from devenv.analysis.comparison.trace_pairs import Difference, Pair, main_pair, pair_traces
from devenv.analysis.tree import SpanTree, build_tree
from devenv.app.traces.trace_diff import document_of
from devenv.cli.output import Output, Style
from devenv.cli.views.trace_diff import TIMES, show_diff
from devenv.model.span import SpanKind, Status
from devenv.model.trace import collect
from devenv.testing.spans import MS, SpanBuilder
from devenv.traces.links import UiLinks

SERVER, CLIENT, GOOD = SpanKind.SERVER, SpanKind.CLIENT, Status.UNSET


def order(select: int, items: int, *, cached: bool = False, failed: bool = False) -> SpanTree:
    """gateway -> orders, which selects an order and each of its items, or asks its cache."""
    make = SpanBuilder(10**18)
    total = 10 + select + 2 * items
    spans = [
        make.span("GET /", 1, took=total, service="gateway", kind=SERVER, status=Status.ERROR if failed else GOOD),
        make.span("SELECT order", 2, 1, at=5, took=select, service="orders", kind=CLIENT),
        *(
            make.span("SELECT item", 10 + number, 1, at=5 + select + 2 * number, took=2, service="orders", kind=CLIENT)
            for number in range(items)
        ),
    ]
    if cached:
        spans.append(make.span("GET cache", 3, 1, at=1, took=1, service="orders", kind=CLIENT))
        spans.append(make.span("read", 4, 3, at=1, took=1, service="orders"))
    return build_tree(collect(spans)[0])


def shown(pairs: list[Pair]) -> list[tuple[int, str, int, int, int, int]]:
    return [
        (pair.depth, pair.operation, pair.a.spans, pair.b.spans, pair.diff_ns // MS, pair.self_diff_ns // MS)
        for pair in pairs
    ]


def test_siblings_of_one_path_are_one_pair() -> None:
    pairs = list(pair_traces(order(100, 40), order(6, 2, cached=True)))
    assert shown(pairs) == [
        (0, "GET /", 1, 1, 170, 1),
        (1, "SELECT order", 1, 1, 94, 94),
        (1, "SELECT item", 40, 2, 76, 76),
        (1, "GET cache", 0, 1, -1, 0),
        (2, "read", 0, 1, -1, -1),
    ]
    assert main_pair(pairs, 170 * MS) == 1
    assert main_pair(pairs, -1) == 4
    assert main_pair(list(pair_traces(order(5, 1), order(5, 1))), 0) is None


def test_attributes_of_single_spans_that_differ_are_listed() -> None:
    make = SpanBuilder(10**18)
    one = replace(make.span("x", 1), attributes={"same": 1, "row": 5, "old": "a"})
    other = replace(one, attributes={"same": 1, "row": 6, "new": True})
    (pair,) = pair_traces(build_tree(collect([one])[0]), build_tree(collect([other])[0]))
    assert pair.attributes == (Difference("new", None, True), Difference("old", "a", None), Difference("row", 5, 6))


def test_a_deep_trace_is_compared_without_recursion() -> None:
    make = SpanBuilder(10**18)
    tree = build_tree(collect(make.span("level", number, number - 1 or None) for number in range(1, 5001))[0])
    assert [pair.depth for pair in pair_traces(tree, tree)] == list(range(5000))


def printed(a: SpanTree, b: SpanTree, *, plain: bool = False) -> list[str]:
    stdout = io.StringIO()
    output = Output(style=Style(plain=plain), stdout=stdout, stderr=io.StringIO(), live=False, colour=False)
    show_diff(document_of(a, b, UiLinks("http://x")), output)
    return stdout.getvalue().splitlines()


def test_the_answer_comes_first_and_then_every_pair() -> None:
    slow, quick = order(100, 40, failed=True), order(6, 2, cached=True)
    lines = printed(slow, quick)
    assert lines[0] == f"A {slow.spans[0].trace_id}  gateway GET /  190 ms  42 spans  ✘ 1 error"
    assert lines[1] == f"B {quick.spans[0].trace_id}  gateway GET /  20 ms  6 spans  ✔"
    assert lines[2] == "A takes 170 ms longer, of which 94 ms in orders SELECT order. Only in B: orders GET cache."
    assert [line.split() for line in lines[4:]] == [
        ["OPERATION", "A", "B", "DIFFERENCE", "ERRORS"],
        ["▌gateway", "GET", "/", "190", "ms", "20", "ms", "▲", "+170", "ms", "✘", "1", "/", "0"],
        ["▌orders", "SELECT", "order", "100", "ms", "6", "ms", "▲", "+94", "ms"],
        ["▌orders", "SELECT", "item", "40", TIMES, "/", "2", TIMES, "80", "ms", "4", "ms", "▲", "+76", "ms"],
        ["▌orders", "GET", "cache", "-", "1", "ms", "only", "in", "B"],
        ["▌orders", "read", "-", "1", "ms", "only", "in", "B"],
    ]


def test_a_trace_compared_with_itself() -> None:
    tree = order(5, 1)
    lines = printed(tree, tree, plain=True)
    assert lines[2] == "Both take as long."
    assert all(line.split()[-1] == "=" for line in lines[5:])
    assert printed(order(5, 1), order(9, 1))[2] == "A takes 4 ms less, of which 4 ms in orders SELECT order."
