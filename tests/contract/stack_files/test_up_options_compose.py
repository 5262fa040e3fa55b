"""`devenv up` starts and replaces what `docker compose up` does with the same options."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.docker

SERVICE = "image: 'python:3.12-slim', command: [sleep, '600'], init: true, x-devenv: {instrument: false}"
STACK = f"""
name: opts
services:
  db: {{{SERVICE}}}
  web: {{{SERVICE}, depends_on: [db]}}
  other: {{{SERVICE}}}
  extra: {{{SERVICE}, profiles: [more]}}
"""
NEW = ["", "web", "--no-deps web", "--scale web=3", "--scale web=0", "extra", "web other"]
EXISTING = ["", "--force-recreate", "--force-recreate web", "--force-recreate --no-deps web", "--scale web=2"]
_DONE = re.compile(r"Container opts-([a-z]+-\d+) +(Created|Recreated)")


def theirs(compose: list[str], place: Path, *words: str) -> set[str]:
    """The instances that Compose would create or recreate."""
    done = subprocess.run(
        [*compose, "--dry-run", *words], cwd=place, capture_output=True, text=True, timeout=60, check=True
    )
    return {match[1] for match in _DONE.finditer(done.stderr + done.stdout)}


def ours(place: Path, *words: str) -> set[str]:
    """The instances that devenv would create or replace, without the trace backend that it adds."""
    command = [sys.executable, "-m", "devenv", "--engine", "docker", *words, "--dry-run", "--json"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=60, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    instances = [action for action in found["actions"] if action["action"] in {"create", "replace", "recreate"}]
    names = {"-".join(action["target"].rsplit("-", 2)[1:]) for action in instances}
    return {name for name in names if not name.startswith("jaeger")}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "compose.yaml").write_text(STACK)
    return tmp_path


@pytest.mark.parametrize("options", NEW)
def test_what_a_first_up_starts(compose: list[str], place: Path, options: str) -> None:
    expected = theirs(compose, place, "up", "-d", *options.split())
    assert ours(place, "up", *options.split()) == expected
    assert expected


def test_a_profile_is_that_of_compose(compose: list[str], place: Path) -> None:
    expected = theirs(compose, place, "--profile", "more", "up", "-d")
    assert ours(place, "--profile", "more", "up") == expected == {"db-1", "web-1", "other-1", "extra-1"}


@pytest.fixture
def running(compose: list[str], place: Path) -> Iterator[Path]:
    """The stack, up by both."""
    devenv = [sys.executable, "-m", "devenv", "--engine", "docker"]
    run: Callable[..., Any] = subprocess.run
    try:
        for command in ([*compose, "up", "-d"], [*devenv, "up", "--isolated", "--no-canary"]):
            run(command, cwd=place, capture_output=True, timeout=120, check=True)
        yield place
    finally:
        for command in ([*compose, "down", "-t", "1"], [*devenv, "down"]):
            run(command, cwd=place, capture_output=True, timeout=120, check=True)


def test_what_a_further_up_replaces(compose: list[str], running: Path) -> None:
    for options in EXISTING:
        expected = theirs(compose, running, "up", "-d", *options.split())
        assert ours(running, "up", "--isolated", *options.split()) == expected, options
