"""`pip install devenv-otel` alone, from the wheel into a fresh environment: what comes with it, and what works."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
import zipfile
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path

import pytest
from traced_programs import clean

import devenv

ROOT = Path(__file__).parents[3]
DECLARED = {"opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http", "pyyaml"}
HEAVY = {
    *("aiohttp", "docker", "django", "fastapi", "flask", "hdrhistogram", "httptools", "httpx", "numpy", "psutil"),
    *("pydantic", "pyjwt", "redis", "rich", "sqlalchemy", "starlette", "typer", "uvicorn", "uvloop"),
}
UNREACHABLE = re.compile(r"from versions: none|Connection|Temporary failure|timed out|Max retries", re.IGNORECASE)
# Walks the requirements of what is installed from those given, as pip would without extras.
CLOSURE = """
import json, sys
from importlib.metadata import requires
from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name
found, waiting = set(), sys.argv[1:]
while waiting:
    name = canonicalize_name(waiting.pop())
    if name not in found:
        found.add(name)
        wanted = [Requirement(text) for text in requires(name) or ()]
        waiting += [each.name for each in wanted if each.marker is None or each.marker.evaluate({"extra": ""})]
print(json.dumps(sorted(found)))
"""


@dataclass(frozen=True)
class Installation:
    """A virtual environment with nothing but the wheel and what pip brought with it."""

    wheel: Path
    bin: Path

    def run(self, *command: str, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
        words = [str(self.bin / command[0]), *command[1:]]
        environ = clean(**{"PATH": f"{self.bin}:/usr/bin:/bin", **environ})
        return subprocess.run(words, cwd=cwd or self.bin, env=environ, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="session")
def light(tmp_path_factory) -> Installation:
    folder = tmp_path_factory.mktemp("light")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    built = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True, timeout=120)
    pip = [folder / "venv/bin/python", "-m", "pip", "install", "--disable-pip-version-check", "--retries", "1", wheel]
    installed = subprocess.run(pip, cwd=folder, env=clean(), capture_output=True, text=True, timeout=240)
    if installed.returncode != 0:
        reason = f"pip install {wheel.name}: {installed.stderr.strip()}"
        if UNREACHABLE.search(installed.stderr):
            pytest.skip(f"the package registry is not reached: {reason}")
        pytest.fail(reason, pytrace=False)
    return Installation(wheel, folder / "venv/bin")


def test_the_wheel_asks_for_three_packages_and_nothing_more(light):
    with zipfile.ZipFile(light.wheel) as wheel:
        (metadata,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
        required = Parser().parsestr(wheel.read(metadata).decode()).get_all("Requires-Dist") or []
        names = set(wheel.namelist())
    assert {re.split(r"[^\w.-]", text)[0] for text in required if "extra ==" not in text} == DECLARED
    assert {"devenv/py.typed", "devenv/tracing/startup/sitecustomize.py", "devenv/tracing/__main__.py"} <= names


def test_what_comes_with_it_is_what_opentelemetry_and_yaml_bring(light):
    listed = json.loads(light.run("python", "-m", "pip", "list", "--format", "json").stdout)
    came = {re.sub(r"[-_.]+", "-", item["name"]).lower() for item in listed} - {"pip", "setuptools"}
    closure = set(json.loads(light.run("python", "-c", CLOSURE, *sorted(DECLARED)).stdout))
    assert came == closure | {"devenv-otel"}, sorted(came)
    assert came & HEAVY == set()
    assert closure >= {*DECLARED, "opentelemetry-api", "protobuf"}


SERVICE = """
    import sys
    from io import BytesIO
    from devenv import tracing

    tracing.setup(sys.argv[1] if len(sys.argv) > 1 else None, service_name="light")

    def app(environ, start_response):
        with tracing.span("business", attributes={"password": "secret", "items": 3}):
            start_response("200 OK", [])
        return [b"ok"]

    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/x", "wsgi.input": BytesIO()}
    assert list(tracing.WSGIMiddleware(app)(environ, lambda status, headers: None)) == [b"ok"]
    connection = tracing.sqlite_connection(":memory:")
    connection.execute("SELECT 1")
"""


@pytest.mark.parametrize("provider", ["light", "sdk"])
def test_a_traced_program_exports(light, collector, tmp_path, provider):
    (tmp_path / "service.py").write_text(textwrap.dedent(SERVICE))
    (tmp_path / "config.yaml").write_text("tracing:\n  exporter: {compression: gzip}\n")
    done = light.run(
        "python",
        "service.py",
        "config.yaml",
        cwd=tmp_path,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        DEVENV_TRACING_PROVIDER=provider,
    )
    assert (done.returncode, done.stderr) == (0, "")
    spans = {span.name: span for span in collector.spans()}
    assert sorted(spans) == ["GET", "SELECT", "business"]
    assert spans["business"].parent_id == spans["GET"].span_id
    assert spans["business"].attributes["password"] != "secret"
    assert spans["GET"].resource["service.name"] == "light"
    assert spans["GET"].resource["telemetry.distro.version"] == devenv.__version__
    assert collector.requests[0][0]["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("launcher", [("python", "-m", "devenv.tracing"), ("devenv", "run")])
def test_an_existing_program_is_run_with_tracing(light, collector, tmp_path, launcher):
    (tmp_path / "jobs.py").write_text(
        "import sqlite3, sys\nsqlite3.connect(':memory:').execute('SELECT 1')\nsys.exit(5)"
    )
    done = light.run(*launcher, "--", "python", "jobs.py", cwd=tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    assert (done.returncode, done.stderr) == (5, "")
    (span,) = collector.spans()
    assert (span.name, span.resource["service.name"]) == ("SELECT", "jobs")


@pytest.mark.parametrize("launcher", [("python", "-m", "devenv.tracing"), ("devenv", "run")])
def test_the_launcher_has_help_and_names_what_was_typed(light, launcher):
    done = light.run(*launcher, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: {'devenv run' if launcher[0] == 'devenv' else 'python -m devenv.tracing'} [")
    assert light.run(*launcher, "--frobnicate").returncode == 2


def test_a_fault_in_the_configuration_is_named_by_line_and_column(light, tmp_path):
    (tmp_path / "config.yaml").write_text("tracing:\n  service_name: x\n  sampler: {ratio: 2}\n")
    code = "from devenv import tracing; tracing.setup('config.yaml')"
    done = light.run("python", "-c", code, cwd=tmp_path)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("devenv.tracing.errors.ConfigError: config.yaml:3:20: "), last
    assert "found 2, expected" in last
    done = light.run("python", "-m", "devenv.tracing", "--config", "config.yaml", "--", "python", cwd=tmp_path)
    assert (done.returncode, done.stderr.splitlines()) == (
        2,
        [last.replace("devenv.tracing.errors.ConfigError", "devenv")],
    )


@pytest.mark.parametrize("arguments", [(), ("up",), ("load", "--rps", "50"), ("--help",)])
def test_other_commands_say_in_one_line_what_to_install(light, arguments):
    done = light.run("devenv", *arguments)
    assert (done.returncode, done.stdout) == (3, "")
    (line,) = done.stderr.splitlines()
    assert "pip install 'devenv-otel[cli]'" in line
    folder = light.run("python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip()
    version = devenv.__version__
    asked = light.run("devenv", "--version")
    assert asked.stdout == f"devenv {version} (devenv-otel {version}, wheel in {folder})\n"
    assert asked.stderr == ""
