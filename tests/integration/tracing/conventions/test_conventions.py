"""The spans of every integration beside OpenTelemetry's semantic conventions: kinds, names, attributes, types."""

from __future__ import annotations

import asyncio
import inspect
import time

import conventions.calls
import conventions.clients
import conventions.databases
import conventions.messaging
import conventions.servers  # noqa: F401 - the modules add their cases
import pytest
from conventions.cases import CASES, Place
from conventions.check import violations

FIXTURES = {"postgres": "postgres", "mariadb": "mariadb", "redis": "redis_server", "rabbitmq": "rabbitmq"}


def problems(case, rec, number, wanted):
    """What the spans of a step have against the conventions; some end after the program has gone on."""
    until = time.monotonic() + 10
    while True:
        found = [span for span in rec.spans() if span.kind != "internal"]
        if len(found) >= len(wanted) or time.monotonic() > until:
            break
        time.sleep(0.005)
    rec.clear()
    if len(found) != len(wanted):
        yield f"step {number}: {len(found)} spans: {', '.join(span.name for span in found)}"
    for span, one in zip(found, wanted, strict=False):
        for line in violations(span, one, case.name):
            yield f"step {number}, {one.group}, {span.name!r}: {line}"


async def run(case, steps, rec):
    lines, number = [], 0
    async for wanted in steps:
        number += 1
        lines += await asyncio.to_thread(lambda at=number, step=wanted: list(problems(case, rec, at, step)))
    return lines


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.name, marks=[getattr(pytest.mark, case.needs)] if case.needs else [])
        for case in CASES.values()
    ],
)
def test_every_span_is_as_the_conventions_say(rec, patched, upstream, request, case):
    server = request.getfixturevalue(FIXTURES[case.needs]) if case.needs else None
    steps = case.run(Place(rec, upstream, server))
    if inspect.isasyncgen(steps):
        found = asyncio.run(run(case, steps, rec))
    else:
        found = [line for number, step in enumerate(steps, 1) for line in problems(case, rec, number, step)]
    assert not found, "\n".join(["against the conventions:", *found])
