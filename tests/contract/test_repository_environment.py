"""What `tests/conftest.py` promises: nothing that is required is ever skipped, and its fixtures are the real thing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
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
