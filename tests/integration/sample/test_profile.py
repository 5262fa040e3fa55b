"""The gateway's profile with the answers of other services, and every service's index, over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from otlp_receiver import OtlpReceiver
from sample_processes import SAMPLE, SampleProcesses, free_port, running_sample
from stub_upstream import StubUpstream


@pytest.fixture
def stub() -> Iterator[StubUpstream]:
    """Is auth, and the services that the profile includes."""
    stub = StubUpstream().start()
    yield stub
    stub.stop()


def start(sample: SampleProcesses, auth: str, **upstreams: str) -> None:
    """A gateway whose profile includes services at these URLs."""
    config = yaml.safe_load((SAMPLE / "gateway" / "config.yaml").read_text())
    config["upstreams"] |= upstreams
    config["profile"] = {"include": list(upstreams)}
    path = sample.directory / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    sample.start("gateway", AUTH_URL=auth, CONFIG=str(path))


def test_included_services_are_asked_side_by_side_within_the_trace(
    sample: SampleProcesses, receiver: OtlpReceiver, stub: StubUpstream
) -> None:
    start(sample, stub.url, orders=f"{stub.url}/meet", shipping=f"{stub.url}/meet")
    answer = httpx.get(sample.url("gateway", "/api/profile"), headers={"x-request-id": "r1", "x-api-key": '{"id": 7}'})
    document = answer.json()
    assert document["profile"] == {"id": 7}
    trace = answer.headers["traceresponse"].split("-")[1]
    spans = receiver.wait_for(trace, lambda spans: len(spans) == 5)
    (above,) = [span for span in spans if span.name == "extend profile"]
    calls = {span.span_id: span for span in spans if span.parent_id == above.span_id}
    assert len(calls) == 2
    for name in ("orders", "shipping"):
        seen = dict(document[name]["headers"])
        assert (document[name]["method"], document[name]["path"]) == ("GET", "/meet/")
        assert (seen["x-account-id"], seen["x-request-id"]) == ("7", "r1")
        assert "x-api-key" not in seen
        assert seen["traceparent"].split("-")[2] in calls


def test_an_included_service_that_is_down_is_a_502(sample: SampleProcesses, stub: StubUpstream) -> None:
    start(sample, stub.url, orders=f"http://127.0.0.1:{free_port()}")
    answer = httpx.get(sample.url("gateway", "/api/profile"))
    assert answer.status_code == 502
    assert "orders cannot be reached" in answer.json()["detail"]


def test_an_included_service_that_fails_is_named(sample: SampleProcesses, stub: StubUpstream) -> None:
    start(sample, stub.url, orders=f"{stub.url}/session", shipping=sample.url("gateway", "/nowhere"))
    answer = httpx.get(sample.url("gateway", "/api/profile"))
    assert answer.status_code == 502
    assert answer.json()["detail"] == "shipping answered with 404"


def test_every_service_has_an_index_that_is_traced_and_hides_no_route(tmp_path: Path) -> None:
    with running_sample(tmp_path) as (sample, receiver):
        for service in sample.ports:
            context = {"traceparent": f"00-{service.encode().hex():0>32}-{1:016x}-01"}
            answer = httpx.get(sample.url(service, "/"), headers=context)
            assert answer.json()["service"] == service
            (span,) = receiver.wait_for(f"{service.encode().hex():0>32}", lambda spans: len(spans) == 1)
            assert (span.service, span.name) == (service, "GET /")
        routes = httpx.get(sample.url("gateway", "/")).json()["routes"]
        assert {"GET /api/profile", "* /api/users", "* /api/users/{path:path}"} <= set(routes)
