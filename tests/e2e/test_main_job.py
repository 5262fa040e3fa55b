"""The main job on each engine: up, load, open, down, looked at from outside with none of devenv's code."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from devenv_cli import SERVICES, Devenv, get_json, services_of, wait_for_trace

PROFILE = ("/api/profile", {"x-api-key": "devenv-demo-key"})


def test_up_says_what_is_up(up: Any, engine: str) -> None:
    assert up["schema"] == "devenv.up/1"
    assert up["engine"] == engine
    assert up["trace_backend"]["kind"] == {"docker": "jaeger", "process": "embedded"}[engine]
    assert up["canary"]["verdict"] == "complete"
    assert set(up["canary"]["services"]) == SERVICES
    health = {service["name"]: service["health"] for service in up["services"]}
    assert {health[name] for name in SERVICES} == {"healthy"}
    assert all(port["address"] == "127.0.0.1" for service in up["services"] for port in service["ports"])
    assert urllib.request.urlopen(up["entrypoint_url"] + "/healthz", timeout=5).status == 200


def test_canary_trace_stands_in_the_backend(up: Any) -> None:
    trace = get_json(f"{up['trace_backend']['query_url']}/api/traces/{up['canary']['trace_id']}")["data"][0]
    assert services_of(trace) >= SERVICES
    assert len(trace["spans"]) >= up["canary"]["spans"] > 3


@pytest.mark.alone
def test_load_accounts_for_every_request(devenv: Devenv, up: Any) -> None:
    run = devenv.json("load", "--rps", "50", "--duration", "10s", "--fail", "traced==100%", "--fail", "errors<1%")
    assert (run["sent"], run["completed"], run["errors"], run["dropped"]) == (500, 500, {}, 0)
    assert run["traces"] == {**dict.fromkeys(run["traces"], 0), "complete": 500}
    assert [threshold["ok"] for threshold in run["thresholds"]] == [True, True]
    assert run["valid"]
    # The recount: with none of devenv's code, from the backend's own API.
    before = round(devenv.begun * 1e6)
    query = urllib.parse.urlencode({"service": "gateway", "limit": 5000, "start": before, "end": before + 10**9})
    found = get_json(f"{up['trace_backend']['query_url']}/api/traces?{query}")["data"]
    whole = [trace for trace in found if services_of(trace) >= SERVICES]
    assert len(whole) == 500
    for trace in whole:
        ids = {span["spanID"] for span in trace["spans"]}
        roots = [span for span in trace["spans"] if not span["references"]]
        assert len(roots) == 1
        assert {reference["spanID"] for span in trace["spans"] for reference in span["references"]} <= ids


def test_runs_are_kept(devenv: Devenv, up: Any) -> None:
    run = devenv.json("load", "--rps", "20", "--duration", "1s", "--name", "short")
    listed = devenv.json("runs", "list")["runs"]
    assert listed[0]["run_id"] == run["run_id"]
    assert devenv.json("runs", "show", "short")["traces"] == run["traces"]


def test_missed_threshold_is_a_negative_verdict(devenv: Devenv, up: Any) -> None:
    run = devenv.json("load", "--rps", "20", "--duration", "1s", "--fail", "p99<0.001ms", code=1)
    assert run["schema"] == "devenv.load/1"
    assert run["thresholds"][0]["ok"] is False


def test_plain_request_gets_its_root_at_the_gateway(up: Any) -> None:
    path, headers = PROFILE
    request = urllib.request.Request(up["entrypoint_url"] + path, headers=headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        trace_id = response.headers["traceresponse"].split("-")[1]
    spans = up["canary"]["spans"] - 1  # the same request, without devenv's own root
    trace = wait_for_trace(up["trace_backend"]["query_url"], trace_id, SERVICES, spans=spans)
    (root,) = [span for span in trace["spans"] if not span["references"]]
    assert trace["processes"][root["processID"]]["serviceName"] == "gateway"
    parents = {span["spanID"]: span["references"][0]["spanID"] for span in trace["spans"] if span["references"]}
    for span in trace["spans"]:
        above = span["spanID"]
        while above in parents:
            above = parents[above]
        assert above == root["spanID"]


def test_open_jaeger_opens_the_last_runs_traces(devenv: Devenv, up: Any, tmp_path: Path) -> None:
    run = devenv.json("load", "--rps", "10", "--duration", "1s")
    seen = tmp_path / "url"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {seen}\n')
    browser.chmod(browser.stat().st_mode | stat.S_IXUSR)
    done = devenv.run("open", "jaeger", BROWSER=str(browser))
    assert done.returncode == 0, done.stderr
    url = seen.read_text()
    assert url == done.stdout.strip() == run["ui_url"]
    assert url.startswith(up["trace_backend"]["ui_url"] + "/search?")
    with urllib.request.urlopen(url, timeout=10) as response:
        assert response.status == 200
        assert "text/html" in response.headers["content-type"]
    # The page asks the API with the same parameters: they find this run and no other.
    fields = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)
    wanted = {name: fields[name][0] for name in ("service", "start", "end", "tags", "limit") if name in fields}
    found = get_json(f"{up['trace_backend']['query_url']}/api/traces?{urllib.parse.urlencode(wanted)}")["data"]
    assert len(found) == run["sent"] == 10


def test_status_tells_the_truth(devenv: Devenv, up: Any) -> None:
    document = devenv.json("status")
    assert {service["name"] for service in document["services"]} >= SERVICES
    assert {service["state"] for service in document["services"]} == {"running"}
    gateway = next(service for service in document["services"] if service["name"] == "gateway")
    assert gateway["uptime_s"] > 0
    assert gateway["memory_bytes"] > 2**20
    assert gateway["restarts"] == 0


def test_second_up_leaves_what_is_unchanged_running(devenv: Devenv, up: Any) -> None:
    ids = {i["id"] for service in up["services"] for i in service["instances"]}
    again = devenv.json("up")
    assert {i["id"] for service in again["services"] for i in service["instances"]} == ids
    plan = devenv.json("up", "--dry-run")
    assert {action["action"] for action in plan["actions"]} <= {"keep"}


def test_logs_carry_the_trace_they_belong_to(devenv: Devenv, up: Any) -> None:
    trace_id = up["canary"]["trace_id"]
    done = devenv.run("logs", "--trace", trace_id, "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["service"] for line in lines} >= {"gateway"}
    assert {line["trace_id"] for line in lines} == {trace_id}


def test_exec_runs_in_the_service_and_passes_its_code_on(devenv: Devenv, up: Any) -> None:
    done = devenv.run("exec", "user", "--", "sh", "-c", "echo $OTEL_SERVICE_NAME; exit 7")
    assert (done.returncode, done.stdout.strip()) == (7, "user")


def test_restart_waits_until_ready(devenv: Devenv, up: Any) -> None:
    document = devenv.json("restart", "user")
    user = next(service for service in document["services"] if service["name"] == "user")
    assert user["state"] == "running"
    path, headers = PROFILE
    request = urllib.request.Request(up["entrypoint_url"] + path, headers=headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        assert response.status == 200


def test_traces_search_and_show(devenv: Devenv, up: Any) -> None:
    found = devenv.json("traces", "search", "--service", "gateway", "--limit", "5")["traces"]
    assert 0 < len(found) <= 5
    shown = devenv.json("traces", "show", up["canary"]["trace_id"])
    assert set(shown["services"]) == SERVICES
    assert shown["spans"][0]["depth"] == 0
    assert any(span["on_critical_path"] for span in shown["spans"])
    plain = devenv.run("traces", "show", up["canary"]["trace_id"]).stdout
    assert re.search(r"gateway: GET /api/profile +━", plain)


def test_a_trace_travels_in_a_file(devenv: Devenv, up: Any, tmp_path: Path) -> None:
    file = tmp_path / "trace.json"
    written = devenv.json("traces", "export", up["canary"]["trace_id"], "--output", str(file))
    assert written["spans"] >= up["canary"]["spans"]
    # Under another id it is another trace: what comes back is what the file says.
    renamed = "c0ffee00" * 4
    file.write_text(file.read_text().replace(up["canary"]["trace_id"], renamed))
    imported = devenv.json("traces", "import", str(file))
    assert imported["traces"] == [renamed]
    trace = wait_for_trace(up["trace_backend"]["query_url"], renamed, SERVICES)
    assert len(trace["spans"]) == written["spans"]


def test_unknown_trace_and_service_are_usage_errors(devenv: Devenv, up: Any) -> None:
    assert devenv.json("traces", "show", "0" * 31 + "1", code=2)["error"]["kind"] == "UnknownName"
    error = devenv.json("restart", "gatewy", code=2)["error"]
    assert "did you mean 'gateway'?" in error["hint"]


def test_other_engine_is_refused_while_up(devenv: Devenv, up: Any, engine: str) -> None:
    other = {"docker": "process", "process": "docker"}[engine]
    error = devenv.json("up", "--engine", other, code=2)["error"]
    assert "devenv down" in error["hint"]


def test_down_leaves_nothing(devenv: Devenv, up: Any, engine: str) -> None:
    removed = devenv.json("down")
    assert removed["left"] == []
    kind = {"docker": "containers", "process": "processes"}[engine]
    assert len(removed["removed"][kind]) >= 3
    if engine == "docker":
        for what in (["ps", "-aq"], ["network", "ls", "-q"], ["volume", "ls", "-q"]):
            listing = ["docker", *what, "--filter", f"label=devenv.project={up['project']}"]
            assert subprocess.run(listing, capture_output=True, text=True, check=True).stdout == ""
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(up["entrypoint_url"] + "/healthz", timeout=2)
    assert devenv.json("status", code=3)["error"]["kind"] == "NotUp"
    assert devenv.json("down")["removed"] == {"containers": [], "networks": [], "volumes": [], "processes": []}
