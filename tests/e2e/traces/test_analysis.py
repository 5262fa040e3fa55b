"""`devenv map`, `report`, `check` and `metrics` on the sample stack with real requests: healthy, and without one."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from typing import Any

import pytest
from devenv_cli import Devenv

KEY = {"x-api-key": "devenv-demo-key"}
REQUESTS = 30


def ask(url: str, times: int) -> list[int]:
    """Statuses of some requests."""
    found = []
    for _ in range(times):
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=KEY), timeout=10) as answer:
                found.append(answer.status)
        except urllib.error.HTTPError as error:
            found.append(error.code)
    return found


def until_looked_at(devenv: Devenv, number: int, *arguments: str) -> Any:
    """The document of a command, once all spans have arrived."""
    deadline = time.monotonic() + 15
    while True:
        document = devenv.json(*arguments)
        complete = document["looked_at"] >= number and (
            "edges" not in document or sum(edge["calls"] for edge in document["edges"]) >= 3 * number
        )
        if complete or time.monotonic() > deadline:
            return document
        time.sleep(0.3)


@pytest.fixture(scope="module")
def profile(up: Any) -> str:
    return f"{up['entrypoint_url']}/api/profile"


def test_the_map_of_the_sample_is_its_stack_file(devenv: Devenv, profile: str, engine: str) -> None:
    assert set(ask(profile, REQUESTS)) == {200}
    document = until_looked_at(devenv, REQUESTS, "map")
    assert document["source"] == ("jaeger" if engine == "docker" else "embedded")
    edges = {(edge["caller"], edge["callee"]): edge for edge in document["edges"]}
    assert {pair for pair, edge in edges.items() if edge["declared"]} == {
        ("gateway", "auth"),
        ("gateway", "user"),
        ("auth", "user"),
    }
    observed = {pair for pair, edge in edges.items() if edge["observed"]}
    assert observed == {("gateway", "auth"), ("auth", "user"), ("user", "sqlite")}
    assert edges["user", "sqlite"]["in_process"]
    assert all(edges[pair]["calls"] >= REQUESTS and edges[pair]["p50_ms"] > 0 for pair in observed)
    kinds = {node["name"]: node["kind"] for node in document["nodes"]}
    assert kinds == {"gateway": "service", "auth": "service", "user": "service", "sqlite": "database"}
    shown = devenv.run("map").stdout
    assert "1 declared call not made." in shown.splitlines()[0]
    assert "!" not in shown
    assert not any(edge["not_continued"] for edge in edges.values())
    assert devenv.run("map", "--dot").stdout.startswith("digraph services {")
    assert devenv.run("map", "--mermaid").stdout.startswith("flowchart LR")


def test_a_healthy_stack_has_no_findings_and_the_full_score(devenv: Devenv, profile: str) -> None:
    document = devenv.json("check", "--fail", "score>=80", "--fail", "findings==0")
    assert document["findings"] == []
    assert document["looked_at"] >= REQUESTS
    scores = {service["name"]: service["score"] for service in document["services"]}
    # a query of user's outside of a request, if there was one, is a root span of kind CLIENT: SPA-004
    assert (scores["auth"], scores["gateway"]) == (100, 100)
    assert scores["user"] in {86, 100}
    assert all(rule["reason"] for each in document["services"] for rule in each["rules"] if rule["ok"] is None)
    lines = devenv.run("check").stdout.splitlines()
    assert lines[0].startswith("No findings. Scores: auth 100, gateway 100, user ")
    missed = devenv.json("check", "--service", "auth", "--fail", "score>100", code=1)
    assert [service["name"] for service in missed["services"]] == ["auth"]
    assert missed["thresholds"] == [{"expr": "score>100", "value": 100.0, "ok": False}]
    for arguments, said in (
        (("--service", "payment"), "no spans of service 'payment', expected one of: auth"),
        (("--fail", "p99<1s"), "known metrics: score, findings"),
        (("--run", "nothing"), "no run 'nothing'"),
    ):
        wrong = devenv.run("check", *arguments)
        assert wrong.returncode == 2
        assert said in wrong.stderr


def test_a_healthy_stack_has_figures_and_no_incident(devenv: Devenv, profile: str) -> None:
    document = devenv.json("report", "--incident", "--fail", "errors<1%", "--fail", "p50<10s")
    assert document["incident"] is None
    assert [threshold["ok"] for threshold in document["thresholds"]] == [True, True]
    services = {service["name"]: service for service in document["services"]}
    assert set(services) == {"gateway", "auth", "user"}
    for service in services.values():
        assert service["requests"] >= REQUESTS
        assert service["errors"] == 0
        assert service["p50_ms"] > 0
        assert service["p99_ms"] is None  # needs 1,000 requests
    shares = [each["critical_share"] for service in services.values() for each in service["operations"]]
    assert sum(shares) == pytest.approx(1, abs=0.01)
    top = document["bottlenecks"][0]
    assert top["critical_share"] == pytest.approx(max(shares), abs=0.001)
    missed = devenv.json("report", "--fail", "max<1us", code=1)
    assert missed["thresholds"][0]["value"] > 0.001
    only = devenv.json("report", "--service", "auth")
    assert [service["name"] for service in only["services"]] == ["auth"]


def test_metrics_of_a_service(devenv: Devenv, profile: str, engine: str) -> None:
    """Figures from spans on both engines; what programs send is kept by the embedded backend only."""
    ask(profile, 5)
    deadline = time.monotonic() + 15
    while (document := devenv.json("metrics", "user"))["spans"][0]["calls"] < 5 and time.monotonic() < deadline:
        time.sleep(0.3)
    (figures,) = document["spans"]
    assert figures["service"] == "user"
    assert figures["p50_ms"] is None or figures["p50_ms"] > 0
    assert document["stored"] is (engine == "process")
    (lines, everything) = (devenv.run("metrics", *names).stdout for names in (("user",), ()))
    assert "Calls answered in the last 15 minutes, computed from spans" in lines
    assert "gateway" not in lines
    assert all(f"\n{name} " in everything for name in ("gateway", "auth", "user"))


def test_two_traces_are_compared(devenv: Devenv, profile: str) -> None:
    overview = profile.replace("/api/profile", "/api/overview")
    assert set(ask(overview, 1)) == {200}
    deadline = time.monotonic() + 15
    while True:
        found = devenv.json("traces", "search", "--service", "gateway", "--limit", "5")["traces"]
        whole = [each for each in found if set(each["services"]) >= {"gateway", "auth", "user"}]
        by_name = {each["root_operation"]: each["trace_id"] for each in whole}
        if {"GET /api/profile", "GET /api/overview"} <= set(by_name) or time.monotonic() > deadline:
            break
        time.sleep(0.3)
    one = by_name["GET /api/profile"]
    other = by_name["GET /api/overview"]
    document = devenv.json("traces", "diff", one, other)
    assert (document["a"]["operation"], document["b"]["operation"]) == ("GET /api/profile", "GET /api/overview")
    assert document["diff_ms"] == pytest.approx(document["a"]["duration_ms"] - document["b"]["duration_ms"], abs=0.01)
    assert sum(pair["a"]["spans"] for pair in document["pairs"]) == document["a"]["spans"]
    assert sum(pair["b"]["spans"] for pair in document["pairs"]) == document["b"]["spans"]
    same = devenv.json("traces", "diff", one, one)
    assert same["diff_ms"] == 0
    assert same["main"] is None
    lines = devenv.run("traces", "diff", one, other).stdout.splitlines()
    assert lines[2].startswith("A takes ")
    assert "Only in A: gateway GET /api/profile. Only in B: gateway GET /api/overview." in lines[2]
    gone = devenv.run("traces", "diff", one, "f" * 32)
    assert gone.returncode == 2
    assert "not found in the trace backend" in gone.stderr


def test_wrong_options_are_refused_with_what_is_expected(devenv: Devenv, profile: str) -> None:
    unknown = devenv.run("report", "--service", "payment")
    assert unknown.returncode == 2
    assert "no spans of service 'payment', expected one of: auth" in unknown.stderr
    wrong = devenv.run("report", "--fail", "traced==100%")
    assert wrong.returncode == 2
    assert "known metrics: p50, p90" in wrong.stderr
    both = devenv.run("map", "--dot", "--mermaid")
    assert both.returncode == 2
    gone = devenv.run("report", "--run", "nothing")
    assert gone.returncode == 2
    assert "no run 'nothing'" in gone.stderr


def test_a_service_that_is_gone_is_the_incident(devenv: Devenv, profile: str) -> None:
    before = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    assert devenv.run("stop", "user").returncode == 0
    statuses = ask(profile, 10)
    assert min(statuses) >= 500
    until_looked_at(devenv, 10, "report", "--since", before)
    document = devenv.json("report", "--incident", "--since", before)
    first, *others = document["incident"]["components"]
    assert (first["service"], first["seen_by"], first["caused_by"]) == ("user", "auth", None)
    assert first["requests"] == 10
    assert len(first["example_traces"]) == 3
    assert {part["service"] for part in others if part["caused_by"] == 0} == {"auth", "gateway"}
    changes = [change["service"] for change in document["incident"]["changes"]]
    assert set(changes) <= {"user"}
    line = devenv.run("report", "--incident", "--since", before).stdout.splitlines()[0]
    assert "user " in line
    assert "(seen by auth)" in line
    assert devenv.run("start", "user").returncode == 0
