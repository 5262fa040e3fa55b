"""The library's wheel by pip: installed alone it traces, and its extra brings what the sample needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from devenv.app.scaffold.library import library_changes

PROGRAM = """
import sys, pathlib, devenv.tracing
from importlib.metadata import version
traced = devenv.tracing.setup(service_name="alone")
print(pathlib.Path(devenv.tracing.__file__).is_relative_to(sys.argv[1]), version("devenv-otel"))
try:
    import devenv.cli
except ModuleNotFoundError:
    print("no tool")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    path, changes = library_changes(tmp_path_factory.mktemp("project"))
    changes.make()
    return path


def pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-index", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_installed_alone_it_traces(wheel: Path, tmp_path: Path) -> None:
    done = pip("--no-deps", "--target", str(tmp_path / "site"), str(wheel))
    assert done.returncode == 0, done.stderr
    environment = {"PYTHONPATH": str(tmp_path / "site"), "OTEL_TRACES_EXPORTER": "none"}
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "site")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["True", wheel.name.split("-")[1], "no", "tool"]


def test_its_script_says_what_it_lacks(wheel: Path, tmp_path: Path) -> None:
    assert pip("--no-deps", "--target", str(tmp_path / "site"), str(wheel)).returncode == 0
    ran = subprocess.run(
        [sys.executable, "-m", "devenv", "up"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout) == (3, "")
    assert "only the tracing library is installed" in ran.stderr


def test_the_extra_of_the_sample_is_known_to_pip(wheel: Path, tmp_path: Path) -> None:
    """What the extra names is installed here already, so pip has all that it resolves."""
    report = tmp_path / "report.json"
    done = pip("--dry-run", "--ignore-installed", "--no-deps", "--report", str(report), f"{wheel}[sample]")
    assert done.returncode == 0, done.stderr
    assert "does not provide" not in done.stderr
    (entry,) = json.loads(report.read_text())["install"]
    assert "sample" in entry["metadata"]["provides_extra"]
    if "requested_extras" in entry:  # pip 23.0, which Debian 12 has, does not report it
        assert entry["requested_extras"] == ["sample"]
    assert any("aiohttp" in each and "sample" in each for each in entry["metadata"]["requires_dist"])
