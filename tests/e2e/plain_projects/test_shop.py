"""The shop: Python, Node.js and Java services with PostgreSQL, Redis and a worker, none with a line of tracing."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest
from devenv_cli import ROOT, Devenv, wait_for_trace

SHOP = ROOT / "stacks" / "shop" / "compose.yaml"
SPANS_OF_AN_ORDER = 10
TRACE_ID = "5" * 31 + "7"


@pytest.mark.docker
@pytest.mark.node
@pytest.mark.java
def test_an_order_is_one_trace_through_three_languages_a_database_and_a_queue(tmp_path: Path) -> None:
    tool = Devenv(tmp_path, "docker", files=(SHOP,), environ={"BUILD_NETWORK": "host"})
    try:
        document = tool.json("up")
        assert document["canary"]["verdict"] == "complete"
        assert set(document["canary"]["services"]) == {"web", "orders", "stock"}
        traced = {service["name"]: service["tracing"]["by"] for service in document["services"]}
        assert traced == {
            **dict.fromkeys(("web", "orders", "invoices", "stock"), "devenv"),
            **dict.fromkeys(("database", "queue", "jaeger"), "not needed"),
        }
        request = urllib.request.Request(
            f"{document['entrypoint_url']}/orders/1",
            method="POST",
            headers={"traceparent": f"00-{TRACE_ID}-{'6' * 16}-01"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.status == 201
        trace = wait_for_trace(
            document["trace_backend"]["query_url"],
            TRACE_ID,
            {"web", "orders", "invoices", "stock"},
            spans=SPANS_OF_AN_ORDER,
            seconds=30,
        )
        tags = {(tag["key"], tag["value"]) for span in trace["spans"] for tag in span["tags"]}
        assert {("db.system.name", "postgresql"), ("messaging.system", "rq")} <= tags
        run = tool.json("load", "--rps", "10", "--duration", "5s")
        assert (run["sent"], run["traces"]["complete"] + run["traces"]["late"]) == (50, 50)
    finally:
        tool.down()
