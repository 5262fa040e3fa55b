"""The shop: Python, Node.js and Java services with PostgreSQL, Redis and a worker, none with a line of tracing."""

from __future__ import annotations

import json
import shutil
import urllib.request
from pathlib import Path

import pytest
from devenv_cli import ROOT, Devenv, wait_for_trace

SHOP = ROOT / "stacks" / "shop"
SPANS_OF_AN_ORDER = 15
TRACE_ID = "5" * 31 + "7"
pytestmark = [pytest.mark.node, pytest.mark.java]


@pytest.mark.docker
def test_an_order_is_one_trace_through_three_languages_a_database_and_a_queue(
    tmp_path: Path, agents: dict[str, str]
) -> None:
    environ = {"BUILD_NETWORK": "host", **agents}
    check(Devenv(tmp_path, "docker", files=(SHOP / "compose.yaml",), environ=environ))


@pytest.mark.postgres
@pytest.mark.redis
def test_the_same_from_what_is_installed_on_the_machine(
    tmp_path: Path, agents: dict[str, str], installed_packages: Path
) -> None:
    folder = tmp_path / "shop"
    shutil.copytree(SHOP, folder)
    (folder / "orders" / ".venv").symlink_to(installed_packages / ".venv")
    (folder / "web" / "node_modules").symlink_to(installed_packages / "node_modules")
    check(Devenv(folder, "process", files=(), environ=agents))


def check(tool: Devenv) -> None:
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
        # Not its verdict: it judges this machine's speed, too.
        run = json.loads(tool.run("load", "--rps", "10", "--duration", "5s", "--json").stdout)
        assert (run["sent"], run["traces"]["complete"] + run["traces"]["late"]) == (50, 50)
    finally:
        tool.down()
