"""A service in Node between two of the sample's is traced through like any other."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from otlp_receiver import OtlpReceiver
from sample_processes import SampleProcesses, free_port

POLYGLOT = Path(__file__).parents[2] / "fixtures" / "stacks" / "polyglot"
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="no node; test_sample_compose.py has it in a container")

Running = tuple[SampleProcesses, OtlpReceiver]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    receiver = OtlpReceiver().start()
    sample = SampleProcesses(receiver.endpoint, tmp_path_factory.mktemp("polyglot"))
    sample.ports = {name: free_port() for name in ("gateway", "inventory", "user")}
    try:
        sample.start("user")
        sample.start("inventory", command=[str(NODE), "server.js"], cwd=POLYGLOT / "inventory")
        sample.start("gateway", CONFIG=str(POLYGLOT / "gateway.yaml"))
        yield sample, receiver
    finally:
        sample.kill_all()
        receiver.stop()


def test_one_request_is_one_trace_through_python_and_node(running: Running) -> None:
    sample, receiver = running
    answer = httpx.get(sample.url("gateway", "/api/items/1"))
    assert answer.json() == {"id": 1, "name": "lamp", "owner": "demo"}
    trace = answer.headers["traceresponse"].split("-")[1]
    spans = receiver.wait_for(trace, lambda spans: len(spans) == 7)
    by_id = {span.span_id: span for span in spans}
    assert [span.service for span in spans if not span.parent_id] == ["gateway"]
    assert all(span.parent_id in by_id for span in spans if span.parent_id)
    server = next(span for span in spans if (span.service, span.kind) == ("inventory", "server"))
    assert (by_id[server.parent_id].service, by_id[server.parent_id].kind) == ("gateway", "client")
    called = next(span for span in spans if (span.service, span.kind) == ("user", "server"))
    assert (by_id[called.parent_id].service, by_id[called.parent_id].kind) == ("inventory", "client")


def test_an_unsampled_request_leaves_nothing_in_node_either(running: Running) -> None:
    sample, receiver = running
    headers = {"traceparent": f"00-{'3' * 32}-{'4' * 16}-00"}
    assert httpx.get(sample.url("gateway", "/api/items/2"), headers=headers).status_code == 200
    later = httpx.get(sample.url("gateway", "/api/items/9"))
    assert later.status_code == 404
    trace = later.headers["traceresponse"].split("-")[1]
    receiver.wait_for(trace, lambda spans: len(spans) == 4)
    assert not receiver.trace("3" * 32)


def test_node_sends_its_last_spans_before_the_end(running: Running) -> None:
    sample, receiver = running
    assert sample.stop("inventory") == 0
    sample.start(
        "inventory", command=[str(NODE), "server.js"], cwd=POLYGLOT / "inventory", OTEL_BSP_SCHEDULE_DELAY="60000"
    )
    before = len(receiver.spans)
    assert httpx.get(sample.url("inventory", "/items/9")).status_code == 404
    assert len(receiver.spans) == before
    assert sample.stop("inventory") == 0
    assert {span.name for span in receiver.spans[before:]} == {"GET /items/{id}", "look up item"}
