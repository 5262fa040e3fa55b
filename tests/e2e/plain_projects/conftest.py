"""What the plain projects share: the agents, and packages that are installed once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from devenv_cli import ROOT

SHOP = ROOT / "stacks" / "shop"


@pytest.fixture
def agents(node_agent: Path, java_agent: Path) -> dict[str, str]:
    """Variables for a project with services in Node.js and Java."""
    assert node_agent == java_agent
    return {"DEVENV_AGENTS_DIR": str(node_agent)}


@pytest.fixture(scope="session")
def installed_packages(package_registry: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with ``.venv`` and ``node_modules``: what the shop's Python and Node.js services ask for."""
    folder = tmp_path_factory.mktemp("installed")
    shutil.copy(SHOP / "web" / "package.json", folder)
    installing = [
        subprocess.Popen(
            f"{sys.executable} -m venv .venv && .venv/bin/pip install -q -r {SHOP}/orders/requirements.txt",
            shell=True,
            cwd=folder,
        ),
        subprocess.Popen(["npm", "install", "--omit=dev", "--no-audit", "--no-fund"], cwd=folder),
    ]
    assert [each.wait(timeout=240) for each in installing] == [0, 0]
    return folder
