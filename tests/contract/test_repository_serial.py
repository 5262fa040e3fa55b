"""`.ci/serial.py` runs each serial test once, prints the output in order, and ends all when it is interrupted."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / ".ci" / "serial.py"
MARKERS = "[pytest]\nmarkers =\n  docker:\n  jaeger:\n  browser:\n  serial:\n  machine:\n"
E2E = """
import os, socket, time
import pytest

def meet(own):
    open(own, "w").close()
    deadline = time.monotonic() + 100
    while os.path.exists("beside") and not all(os.path.exists(name) for name in ("loopback", "machine")):
        assert time.monotonic() < deadline
        time.sleep(0.01)

def test_on_loopback():
    with socket.create_server(("127.0.0.1", 18082)):
        meet("loopback")

def test_with_packages(package_registry):
    with socket.create_server(("127.0.0.1", 18082)):
        meet("machine")

def test_that_fails():
    assert not os.path.exists("fail")

def test_that_lasts():
    if os.path.exists("last"):
        open(f"lasts-{os.getpid()}", "w").close()
        time.sleep(60)
"""
PARALLEL = "def test_not_serial(): pass\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small test suite with this repository's conftest."""
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (tmp_path / "pytest.ini").write_text(MARKERS)
    (tmp_path / "e2e").mkdir()
    (tmp_path / "e2e" / "test_e2e.py").write_text(E2E)
    (tmp_path / "test_parallel.py").write_text(PARALLEL)
    return tmp_path


def start(folder: Path, *options: str, path: str = os.environ["PATH"]) -> subprocess.Popen[str]:
    environment = {**os.environ, "PATH": path, "DEVENV_TEST_REQUIRE": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, str(SCRIPT), "-p", "no:cacheprovider", "-p", "no:warnings", *options]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=-1, stderr=subprocess.STDOUT, text=True)


def finish(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    """Its exit code, and the closing lines of the pytests."""
    output = process.communicate(timeout=120)[0]
    lines = [line for line in output.splitlines() if re.search(r"\d+ (passed|failed).* in ", line)]
    return process.returncode, [re.sub(r" in .*", "", line) for line in lines]


def needs_isolation() -> None:
    made = shutil.which("unshare") and subprocess.run(["unshare", "--net", "ip", "link", "set", "lo", "up"]).returncode
    if made != 0:
        pytest.skip("this user cannot make a network namespace")


def test_those_that_bind_one_port_run_at_the_same_time(folder: Path) -> None:
    needs_isolation()
    (folder / "beside").touch()
    assert finish(start(folder)) == (0, ["1 passed, 4 deselected", "3 passed, 2 deselected"])


def test_without_a_namespace_one_runs_all(folder: Path) -> None:
    assert finish(start(folder, path="/nonexistent")) == (0, ["4 passed, 1 deselected"])


def test_the_exit_code_is_that_of_the_one_that_failed(folder: Path) -> None:
    (folder / "fail").touch()
    code, closing = finish(start(folder))
    assert code == 1
    assert closing[-1].startswith("1 failed, ")


def test_options_may_select_tests_of_one_kind_only(folder: Path) -> None:
    assert finish(start(folder, "-k", "packages")) == (0, ["1 passed, 4 deselected"])


@pytest.mark.parametrize(
    ("number", "codes", "path"),
    [
        (signal.SIGINT, {2, 128 + signal.SIGINT}, os.environ["PATH"]),  # the latter from one that has just begun
        (signal.SIGTERM, {128 + signal.SIGTERM}, "/nonexistent"),
    ],
    ids=["SIGINT", "SIGTERM"],
)
def test_a_signal_ends_all(folder: Path, number: int, codes: set[int], path: str) -> None:
    (folder / "last").touch()
    process = start(folder, "-k", "lasts or packages", path=path)
    while not (found := list(folder.glob("lasts-*"))):
        assert process.poll() is None
    process.send_signal(number)
    assert finish(process)[0] in codes
    with pytest.raises(ProcessLookupError):
        os.kill(int(found[0].name.removeprefix("lasts-")), 0)
