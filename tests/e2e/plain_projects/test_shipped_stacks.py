"""The stacks to learn from, `minimal` and `broken`, on each engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from devenv_cli import ROOT, Devenv

BROKEN = ROOT / "stacks" / "broken"
WARNED = {"catalog", "prices", "stock", "cart", "payment", "reviews"}


@pytest.fixture(scope="module", params=[pytest.param("docker", marks=pytest.mark.docker), "process"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def up(engine: str, directory: Path, *files: Path, code: int = 0) -> Any:
    tool = Devenv(directory, engine, files=files)
    try:
        return tool.json("up", code=code)
    finally:
        tool.down()


def test_the_smallest_stack_is_traced(engine: str, tmp_path: Path) -> None:
    document = up(engine, tmp_path, ROOT / "stacks" / "minimal" / "compose.yaml")
    assert document["canary"]["services"] == ["hello"]
    assert document["canary"]["verdict"] == "complete"


def test_each_of_the_eight_faults_is_named_by_one_up(engine: str, tmp_path: Path) -> None:
    document = up(engine, tmp_path, BROKEN / "compose.yaml", code=1)
    assert {warning.split()[1] for warning in document["warnings"]} == WARNED
    tracing = {service["name"]: service["tracing"] for service in document["services"]}
    assert (tracing["shipping"]["by"], tracing["shipping"]["note"]) == ("none", "x-devenv.instrument: false")
    assert "propagation broken between shop and mail" in document["canary"]["cause"]
    assert set(document["canary"]["missing"]) == WARNED | {"shipping", "mail"}


def test_with_the_answers_the_canary_is_complete(engine: str, tmp_path: Path) -> None:
    document = up(engine, tmp_path, BROKEN / "compose.yaml", BROKEN / "answers.yaml")
    assert document["canary"]["verdict"] == "complete"
    assert document["warnings"] == []
