"""What `tests/conftest.py` and `.ci/serial.py` promise.

Nothing that is required is ever skipped, and the fixtures are the real thing. Each serial test is run once, the output
is in order, and a signal ends all of it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
SCRIPT = Path(__file__).parents[2] / ".ci" / "serial.py"
MARKERS = "[pytest]\nmarkers =\n  docker:\n  jaeger:\n  browser:\n  serial:\n  machine:\n"
NEEDS_DOCKER = "import pytest\n@pytest.mark.docker\ndef test_it(): pass\n"
SKIPS_ITSELF = "import pytest\n@pytest.mark.docker\n@pytest.mark.skipif(True, reason='no')\ndef test_it(): pass\n"
SKIPS_MODULE = "import pytest\npytest.skip('no', allow_module_level=True)\n"
PLAIN_SKIP = "import pytest\ndef test_it(): pytest.skip('not on this platform')\n"


def run_pytest(folder: Path, module: str, require: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(CONFTEST.read_text())
    (folder / "pytest.ini").write_text(MARKERS)
    (folder / "test_it.py").write_text(module)
    environment = {**os.environ, "DEVENV_TEST_REQUIRE": require, "DOCKER_HOST": f"unix://{folder}/none.sock"}
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("module", "require", "code", "said"),
    [
        (NEEDS_DOCKER, "", 0, "no engine answers"),
        (NEEDS_DOCKER, "jaeger", 0, "no engine answers"),
        (NEEDS_DOCKER, "docker,jaeger", 1, "docker is required"),
        (SKIPS_ITSELF, "docker", 1, "docker is required"),
        (SKIPS_MODULE, "", 5, "1 skipped"),
        (SKIPS_MODULE, "docker", 2, "a whole module is skipped"),
        (PLAIN_SKIP, "docker", 0, "1 skipped"),
        (PLAIN_SKIP, "dokcer", 4, "dokcer"),
    ],
)
def test_what_is_required_fails_instead_of_being_skipped(
    tmp_path: Path, module: str, require: str, code: int, said: str
) -> None:
    result = run_pytest(tmp_path, module, require)
    assert result.returncode == code, result.stdout + result.stderr
    assert said in result.stdout + result.stderr


def test_the_jaeger_fixture_is_a_real_jaeger_that_stores_what_it_is_sent(jaeger: Any) -> None:
    span = {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "name": "GET /",
        "kind": 2,
        "startTimeUnixNano": "1544712660000000000",
        "endTimeUnixNano": "1544712661000000000",
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "fixture-check"}}]}
    body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
    request = urllib.request.Request(
        f"{jaeger.otlp_url}/v1/traces", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        assert response.status == 200
    with urllib.request.urlopen(f"{jaeger.query_url}/api/traces/{span['traceId']}", timeout=10) as response:
        stored = json.load(response)["data"][0]["spans"]
    assert [each["operationName"] for each in stored] == ["GET /"]


def test_the_jaeger_factory_takes_a_store_of_ones_own(jaeger_factory: Callable[..., Any], tmp_path: Path) -> None:
    folders = {"keys": str(tmp_path / "keys"), "values": str(tmp_path / "values")}
    server = jaeger_factory({"badger": {"directories": folders, "ephemeral": False}})
    with urllib.request.urlopen(f"{server.query_url}/api/services", timeout=10) as response:
        assert response.status == 200
    assert any((tmp_path / "keys").iterdir())


def test_the_browser_fixture_renders_a_page_and_runs_its_script(browser: Any, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<p id=p>no</p><script>document.getElementById('p').textContent = 6 * 7</script>")
    browser.get(page.as_uri())
    assert browser.find_element("id", "p").text == "42"


@pytest.mark.docker
def test_the_images_of_the_sample_stack_are_in_the_engines_mirror(docker_client: Any) -> None:
    for name in ("python:3.12-slim", "node:22-slim", "jaegertracing/jaeger:2.13.0"):
        image = docker_client.images.get(name)
        assert docker_client.images.pull(name).id == image.id, f"{name} is not pulled from the mirror"


# --- .ci/serial.py ----------------------------------------------------------------------------------------------------

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
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text())
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
