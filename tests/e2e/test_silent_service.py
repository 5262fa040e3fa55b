"""A service that sends no spans is named, though nothing in the file says which services a trace needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from devenv_cli import ROOT, Devenv

ENDPOINTS = {"docker": "http://localhost:4318", "process": "http://127.0.0.1:9"}
OVERRIDE = """
x-devenv:
  canary: {{ services: !override [] }}
  load: {{ scenarios: {{ profile: {{ services: !override [] }} }} }}
services:
  user:
    environment:
      OTEL_EXPORTER_OTLP_ENDPOINT: {endpoint}
  idle:
    image: devenv-sample:latest
    command: [python, -m, user.app]
    expose: ["8082"]
    x-devenv:
      ready: {{ http: /readyz, port: 8082 }}
      process: {{ command: python -m user.app, cwd: "{sample}" }}
"""


@pytest.fixture(scope="module")
def silent(devenv: Devenv, engine: str) -> Iterator[Any]:
    """The sample with a silent `user` and an `idle` service that no request reaches: the document of `up`."""
    override = devenv.directory / "override.yaml"
    override.write_text(OVERRIDE.format(endpoint=ENDPOINTS[engine], sample=ROOT / "stacks" / "sample"))
    devenv.files = (*devenv.files, override)
    return devenv.json("up", code=1)


def test_the_canary_is_partial_and_names_it(silent: Any, engine: str) -> None:
    assert silent["canary"]["verdict"] == "partial"
    assert silent["canary"]["missing"] == ["user"]
    known = {
        "docker": "user exports to http://localhost:4318, which is the container itself (loopback endpoint)",
        "process": "user exports to http://127.0.0.1:9, but nothing listens there (no receiver, or wrong port)",
    }
    assert known[engine] in silent["canary"]["cause"]
    assert silent["canary"]["no_spans_yet"] == ["idle"]


def test_what_is_known_before_the_start_is_a_warning(devenv: Devenv, silent: Any, engine: str) -> None:
    expected = [text for text in silent["warnings"] if "user exports to" in text]
    assert len(expected) == (1 if engine == "docker" else 0)
    if engine == "docker":
        assert "override.yaml:8:36: user exports to http://localhost:4318" in expected[0]
        assert expected[0] in devenv.json("config")["warnings"]
        doctor = devenv.json("doctor")["checks"]
        (check,) = [check for check in doctor if check["name"] == "tracing settings"]
        assert (check["verdict"], check["found"]) == ("warning", expected[0])


def test_status_names_the_services_without_spans_and_does_not_fail(devenv: Devenv, silent: Any) -> None:
    assert json.loads(devenv.run("status", "--json").stdout)["no_spans_yet"] == ["idle", "user"]
    # On a busy machine a probe may take longer than `status` waits, which is another reason for exit code 1.
    codes = (devenv.run("status", "--json").returncode for _ in range(20))
    assert 0 in codes


def test_doctor_names_the_services_without_spans(devenv: Devenv, silent: Any) -> None:
    (check,) = [check for check in devenv.json("doctor")["checks"] if check["name"] == "trace backend"]
    assert check["found"].endswith("no spans yet from idle, user")


def test_load_learns_it_from_the_same_evidence(devenv: Devenv, silent: Any, engine: str) -> None:
    run = devenv.json("load", "--rps", "20", "--duration", "1s", "--fail", "traced==100%", code=1)
    assert run["traces"]["partial"] == run["sent"] == 20
    known = {"docker": "loopback endpoint", "process": "user exports to http://127.0.0.1:9, but nothing listens there"}
    assert known[engine] in run["causes"][0]["cause"]
