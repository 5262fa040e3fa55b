"""The tree and the waterfall of each messy trace, without a backend."""

from __future__ import annotations

import time
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devenv.analysis.completeness import Expectation, classify, is_complete
from devenv.analysis.summary import summarize
from devenv.analysis.waterfall import waterfall
from devenv.model.trace import MARKS, Trace, collect
from devenv.testing.messy_traces import MESSY_TRACES, messy_trace
from devenv.testing.spans import SpanBuilder

START = 1_700_000_000_000_000_000
OF_TIMES = {"reversed", "untimed"}
"""Marks that the set does not have: Jaeger's legacy dialect, which is tested with it, has no negative durations."""


@pytest.mark.parametrize("name", MESSY_TRACES)
def test_rows_and_summary(name: str) -> None:
    messy = messy_trace(name, START)
    (trace,) = collect(messy.spans)
    assert tuple((row.span.name, row.depth, row.marks) for row in waterfall(trace)) == messy.rows
    summary = summarize(trace)
    assert (summary.root_operation, summary.orphans, summary.errors) == (messy.root, messy.orphans, messy.errors)
    assert summary.spans == len(messy.rows)
    assert summary.start_ns == min(span.start_ns for span in messy.spans)
    assert summary.end_ns == max(span.end_ns for span in messy.spans)


@pytest.mark.parametrize("name", MESSY_TRACES)
def test_the_order_of_arrival_changes_nothing(name: str) -> None:
    spans = messy_trace(name, START).spans
    (one,), (other,) = collect(spans), collect(spans[::-1])
    assert one == other


@given(st.sampled_from(MESSY_TRACES), st.randoms(use_true_random=False))
def test_a_summary_does_not_depend_on_the_order(name: str, random: Random) -> None:
    (trace,) = collect(messy_trace(name, START).spans)
    spans = list(trace.spans)
    random.shuffle(spans)
    assert summarize(replace(trace, spans=tuple(spans))) == summarize(trace)


@pytest.mark.parametrize("name", MESSY_TRACES)
def test_the_quick_form_agrees_with_the_class(name: str) -> None:
    (trace,) = collect(messy_trace(name, START).spans)
    assert is_complete(trace, ()) == (classify(trace, Expectation()).trace_class == "complete")


def test_every_mark_occurs_in_the_set() -> None:
    found = {mark for name in MESSY_TRACES for _, _, marks in messy_trace(name, START).rows for mark in marks}
    assert found == set(MARKS) - OF_TIMES


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["deep", "wide", "one cycle", "one ID", "orphans"])
def test_80000_spans_take_linear_time(shape: str) -> None:
    """Far below what a quadratic step would take: hours."""
    count, make = 80_000, SpanBuilder(START)
    parents = {
        "deep": lambda number: number - 1 or None,
        "wide": lambda number: 1 if number > 1 else None,
        "one cycle": lambda number: number - 1 or count,
        "one ID": lambda number: None,
        "orphans": lambda number: count + number,
    }[shape]
    spans = [
        make.span(f"{number}", 1 if shape == "one ID" else number, parents(number), at=number)
        for number in range(1, count + 1)
    ]
    began = time.process_time()
    (trace,) = collect(spans)
    rows = waterfall(trace)
    assert summarize(trace).spans == len(rows) == count
    assert isinstance(trace, Trace)
    assert time.process_time() - began < 30
