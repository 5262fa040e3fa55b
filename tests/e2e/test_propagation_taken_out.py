"""The proof that canary and verification can fail: a gateway that no longer injects the context turns both red."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from devenv_cli import ROOT, Devenv

INJECTING = 'tracing.client_span("GET", url, sent)'
NOT_INJECTING = 'tracing.client_span("GET", url, {})'

OVERRIDE = {
    "docker": "volumes: ['{upstream}:/srv/sample/chassis/upstream.py:ro']",
    "process": "x-devenv: {{process: {{command: python -m gateway.app, cwd: '{sample}'}}}}",
}


@pytest.fixture(scope="module")
def broken(devenv: Devenv, engine: str) -> Iterator[Any]:
    """The sample stack with a gateway whose calls carry no `traceparent`: the document of `up`."""
    sample = devenv.directory / "broken"
    shutil.copytree(ROOT / "stacks" / "sample", sample)
    upstream = sample / "chassis" / "upstream.py"
    source = upstream.read_text()
    assert source.count(INJECTING) == 1, "the sample injects elsewhere now: this test has to follow"
    upstream.write_text(source.replace(INJECTING, NOT_INJECTING))
    override = devenv.directory / "override.yaml"
    change = OVERRIDE[engine].format(upstream=upstream, sample=sample)
    override.write_text(f"services:\n  gateway:\n    {change}\n")
    devenv.files = (*devenv.files, override)
    return devenv.json("up", code=1)


def test_canary_turns_red_and_says_where(broken: Any) -> None:
    assert broken["canary"]["verdict"] == "partial"
    assert broken["canary"]["missing"] == ["auth", "user"]
    assert broken["failures"] == []
    # No header travels, baggage neither: that there is another trace can only be suspected.
    assert "split suspected" in broken["canary"]["cause"]
    assert "gateway" in broken["canary"]["cause"]


def test_load_turns_red(devenv: Devenv, broken: Any) -> None:
    run = devenv.json("load", "--rps", "20", "--duration", "2s", "--name", "broken", "--fail", "traced==100%", code=1)
    assert run["sent"] == run["completed"] == 40
    assert run["traces"]["complete"] == 0
    assert sum(run["traces"].values()) == 40
    assert run["thresholds"][0]["ok"] is False
    assert any("gateway" in cause["cause"] for cause in run["causes"])


def test_check_and_map_say_between_which_services(devenv: Devenv, broken: Any) -> None:
    for arguments in ((), ("--run", "broken")):
        document = devenv.json("check", *arguments, "--fail", "findings==0", code=1)
        (found,) = document["findings"]
        assert (found["kind"], found["service"], found["others"]) == ("broken-propagation", "gateway", ["auth"])
        assert found["title"] == "Propagation broken between gateway and auth"
        assert found["count"] >= 40
        assert "begin new traces" in found["evidence"]
        assert found["example_traces"]
    shown = devenv.run("map").stdout
    assert "1 call not continued." in shown.splitlines()[0]
    edges = {(edge["caller"], edge["callee"]): edge for edge in devenv.json("map")["edges"]}
    assert edges["gateway", "auth"]["not_continued"] >= 40
    assert edges["auth", "user"]["not_continued"] == 0
