"""What commands import: `--version` and `status` have to answer at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"docker", "requests", "numpy", "httpx", "aiohttp", "rich", "typer", "pydantic", "yaml", "asyncio"}
PROBE = """
import json, sys
sys.argv = ["devenv", *json.loads(sys.argv[1])]
from devenv.__main__ import main
main()
sys.stderr.write("MODULES " + json.dumps(sorted(sys.modules)))
"""


def imported_by(*arguments: str, cwd: Path) -> set[str]:
    """Top-level modules that a command has imported when it ends."""
    command = [sys.executable, "-c", PROBE, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=cwd)
    modules: list[str] = json.loads(done.stderr.rpartition("MODULES ")[2])
    return set(modules)


def test_version_imports_nothing_heavy(tmp_path: Path) -> None:
    assert imported_by("--version", cwd=tmp_path) & HEAVY == set()


def test_status_imports_only_what_it_needs(tmp_path: Path) -> None:
    found = imported_by("status", "--engine", "process", "--json", cwd=tmp_path)
    assert found & {"docker", "numpy", "httpx", "aiohttp", "rich", "hdrh"} == set()
    assert "devenv.app.environment.status" in found


@pytest.mark.parametrize("module", ["devenv.daemon.service", "devenv.daemon.supervisor", "devenv.daemon.embedded"])
def test_the_daemon_stays_light(module: str) -> None:
    code = f"import {module}, sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert set(json.loads(done.stdout)) & {"pydantic", "typer", "rich", "numpy", "docker", "httpx", "aiohttp"} == set()
