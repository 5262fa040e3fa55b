"""The spans of every integration beside OpenTelemetry's semantic conventions: kinds, names, attributes, types."""

from __future__ import annotations

import asyncio
import inspect
import time

import conventions.clients
import conventions.servers  # noqa: F401 - the modules add their cases
import pytest
from conventions.cases import CASES, Place
from conventions.check import violations

FIXTURES = {"postgres": "postgres", "mariadb": "mariadb", "redis": "redis_server"}


def spans(rec, count):
    """The spans of a step that are not internal: some end after the program has gone on."""
    until = time.monotonic() + 10
    while True:
        found = [span for span in rec.spans() if span.kind != "internal"]
        if len(found) >= count or time.monotonic() > until:
            return found
        time.sleep(0.005)


async def run(case, place):
    """Run a case; what its spans have against the conventions."""
    problems = []
    steps = case.run(place)
    asynchronous = inspect.isasyncgen(steps)
    number = 0
    while True:
        try:
            wanted = await anext(steps) if asynchronous else next(steps)
        except (StopIteration, StopAsyncIteration):
            return problems
        number += 1
        found = await asyncio.to_thread(spans, place.rec, len(wanted))
        place.rec.clear()
        if len(found) != len(wanted):
            problems.append(f"step {number}: {len(found)} spans: {', '.join(span.name for span in found)}")
        for span, one in zip(found, wanted, strict=False):
            problems += [
                f"step {number}, {one.group}, {span.name!r}: {line}" for line in violations(span, one, case.name)
            ]


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case.name, marks=[getattr(pytest.mark, case.needs)] if case.needs else []) for case in CASES.values()],
)
async def test_every_span_is_as_the_conventions_say(rec, patched, upstream, request, case):
    server = request.getfixturevalue(FIXTURES[case.needs]) if case.needs else None
    assert await run(case, Place(rec, upstream, server)) == []
