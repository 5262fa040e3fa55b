"""A filter over a backend that knows none: what is asked of it, and how much was looked at."""

from __future__ import annotations

from typing import Any

import pytest

from devenv.model.trace import Trace
from devenv.testing.spans import MS, SpanBuilder
from devenv.traces.client import TraceClient
from devenv.traces.dialect import DialectCapabilities
from devenv.traces.filtered import MOST, asked, filtered
from devenv.traces.filters.text_form import parse
from devenv.traces.query import Query

START = 1_700_000_000_000_000_000


def query(**fields: Any) -> Query:
    return Query(**{"start_ns": START - 1, "end_ns": START + 10**9, **fields})


def trace(took: int, service: str = "web") -> Trace:
    build = SpanBuilder(START)
    return Trace(build.trace_id, (build.span("GET", 1, took=took, service=service),))


def test_what_its_parameters_can_say_is_asked_of_it() -> None:
    where = parse("service = web and name = GET and duration > 5ms and a = b and not c = d and status = error")
    wide = asked(query(where=where, tags={"own": "1"}, max_duration_ns=9 * MS), 7)
    assert (wide.where, wide.limit, wide.service, wide.operation) == (None, 7, "web", "GET")
    assert (wide.min_duration_ns, wide.max_duration_ns) == (5 * MS + 1, 9 * MS)
    assert dict(wide.tags) == {"a": "b", "own": "1"}
    own = asked(query(where=where, service="db", operation="SELECT", min_duration_ns=8 * MS), 7)
    assert (own.service, own.operation, own.min_duration_ns) == ("db", "SELECT", 8 * MS)


def test_one_span_meets_the_filter_and_the_other_criteria() -> None:
    both = trace(20)
    one_each = Trace(both.trace_id, (*trace(1).spans, *trace(20, service="db").spans))
    wanted = query(service="web", where=parse("duration > 10ms"))
    assert filtered(wanted, [both, one_each], 5).traces == [both]
    assert filtered(query(tags={"k": "v"}, where=parse("duration > 10ms")), [both], 5).traces == []


@pytest.mark.parametrize(("most", "more"), [(2, True), (3, False)])
def test_whether_there_may_be_older_traces_is_told(most: int, *, more: bool) -> None:
    looked = filtered(query(where=parse("duration > 10ms"), limit=1), [trace(20), trace(30)], most)
    assert (len(looked.traces), looked.looked_at, looked.more) == (1, 2, more)


class Rejecting:
    """A Jaeger whose memory storage keeps 100 traces, and rejects a search for more; it has 80."""

    def __init__(self) -> None:
        self.limits: list[int] = []

    async def request(self, method: str, path: str, **_: Any) -> Any:
        from urllib.parse import parse_qs

        from devenv.traces.http import BackendResponse

        assert method == "GET"
        if path == "/api/services":
            return BackendResponse(200, b'{"data": ["web"]}')
        limit = int(parse_qs(path.partition("?")[2])["limit"][0])
        self.limits.append(limit)
        if limit > 100:
            return BackendResponse(
                400, b'{"errors": [{"msg": "search depth must be greater than 0 and less than 100"}]}'
            )
        spans = ",".join(
            f'{{"traceID": "{number:x}", "processID": "p", "spans": [{{"traceID": "{number:x}", "spanID": "1", '
            f'"operationName": "GET", "startTime": {START // 1000}, "duration": 5, "processID": "p"}}], '
            f'"processes": {{"p": {{"serviceName": "web"}}}}}}'
            for number in range(1, min(limit, 80) + 1)
        )
        return BackendResponse(200, f'{{"data": [{spans}]}}'.encode())

    async def aclose(self) -> None: ...


async def test_a_lower_limit_of_the_backend_counts_as_the_bound() -> None:
    backend = Rejecting()
    async with TraceClient("http://backend", sender=lambda _: backend) as client:  # type: ignore[arg-type,return-value]  # what is used of it
        client._found = DialectCapabilities(legacy=True)
        selection = await client.select(query(where=parse("duration < 1s"), limit=5))
    assert backend.limits == [MOST, MOST // 2, MOST // 4, MOST // 8]
    assert (len(selection.traces), selection.looked_at, selection.more) == (5, MOST // 8, True)
