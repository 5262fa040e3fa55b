"""`make install` and the virtual environment's maker: they find what is there and never overwrite another tool."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = "#!/usr/bin/python3\nfrom devenv.__main__ import main\n"
FOREIGN = "#!/bin/sh\necho devenv 1.3 for another purpose\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home" / ".local" / "bin").mkdir(parents=True)
    (tmp_path / "tools").mkdir()
    (tmp_path / "project" / ".venv" / "bin").mkdir(parents=True)
    write(tmp_path / "project" / ".venv" / "bin" / "devenv", OURS)
    # Only what the scripts call, so that neither pipx nor uv of this machine is found.
    for name in ("sh", "grep", "readlink", "ln", "mkdir", "echo", "cat", "tail"):
        (tmp_path / "tools" / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    return tmp_path / "home"


def write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def script(home: Path, name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{home.parent / 'tools'}:{home / '.local' / 'bin'}"
    return subprocess.run(
        [ROOT / ".ci" / name, *arguments],
        cwd=home.parent / "project",
        env={"HOME": str(home), "PATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_install_links_the_script_and_again_changes_nothing(home: Path) -> None:
    link = home / ".local" / "bin" / "devenv"
    for _ in range(2):
        assert script(home, "install.sh", "install", ".venv").returncode == 0
        assert link.resolve() == home.parent / "project" / ".venv" / "bin" / "devenv"
    assert "is on the PATH" in script(home, "install.sh", "check").stdout


@pytest.mark.parametrize("program", ["pipx", "uv"])
def test_install_prefers_a_tool_installer(home: Path, program: str) -> None:
    write(home.parent / "tools" / program, f'#!/bin/sh\necho {program} "$@"\n')
    result = script(home, "install.sh", "install", ".venv")
    assert result.stdout.split()[0] == program
    assert result.stdout.strip().endswith("install --force .[cli]")
    assert not (home / ".local" / "bin" / "devenv").exists()


@pytest.mark.parametrize("where", ["tools", "home/.local/bin"])
def test_another_tool_of_the_name_is_told_apart_and_kept(home: Path, where: str) -> None:
    other = home.parent / where / "devenv"
    write(other, FOREIGN)
    result = script(home, "install.sh", "install", ".venv")
    assert result.returncode == 1
    assert str(other) in result.stderr
    assert other.read_text() == FOREIGN
    assert "another tool of that name" in script(home, "install.sh", "check").stdout


def test_check_says_how_to_get_on_the_path(home: Path) -> None:
    said = script(home, "install.sh", "check").stdout
    assert "make install" in said
    assert "export PATH=" in said


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("#!/bin/sh\n[ $1 = --version ] && echo Python 3.9.2 || exit 1\n", "Python 3.9.2"),
        ("#!/bin/sh\ncase $2 in *venv*) exit 1;; *) echo Python 3.12.1;; esac\n", "without venv"),
        (None, "no Python at all"),
    ],
)
def test_a_python_that_will_not_do_is_named_with_a_hint(home: Path, program: str | None, said: str) -> None:
    if program:
        write(home.parent / "tools" / "python3", program)
    result = script(home, "make-venv.sh", "made")
    assert result.returncode == 3
    assert "Python 3.11 or later" in result.stderr
    assert said in result.stderr
    assert "hint:" in result.stderr


def test_help_is_the_default_and_lists_every_target() -> None:
    # Below `make test`, another make would say where it is.
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, env=outside, timeout=30).stdout
    targets = {line.split()[0] for line in listed.splitlines()}
    phony = next(line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith(".PHONY:"))
    assert targets == set(phony.removeprefix(".PHONY:").split())
