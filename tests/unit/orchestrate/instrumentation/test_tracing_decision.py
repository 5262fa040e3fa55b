"""Who traces a service, and what devenv adds so that it traces itself."""

from __future__ import annotations

import io
import shlex
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from orchestration import World, service, stack

from devenv.contract.answers import ImageConfig
from devenv.contract.inheritance import inherited
from devenv.contract.specification import FileTree
from devenv.model.stack import Build
from devenv.orchestrate.instrumentation.agents import AGENTS
from devenv.orchestrate.instrumentation.decision import ServiceTracing, decide, with_build_of_its_image
from devenv.orchestrate.instrumentation.injection import Injection, Surroundings, python_injection
from devenv.orchestrate.instrumentation.python_library import python_library
from devenv.testing.script import FakeImage

PYTHON = ImageConfig(environment={"PYTHON_VERSION": "3.12"}, command=("python", "app.py"))


def decided(config: ImageConfig | None = None, *, enabled: bool = True, **fields: Any) -> ServiceTracing:
    return decide(service("web", **fields), config, agents=AGENTS, enabled=enabled)


def words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def inline(text: str) -> Build:
    return Build(context=Path("/nowhere"), dockerfile_inline=text)


def test_a_python_service_without_tracing_is_traced_by_devenv() -> None:
    found = decided(PYTHON)
    assert (found.by, found.language) == ("devenv", "python")
    assert found.injection is not None
    assert [tree.target for tree in found.injection.files] == ["/.devenv/python"]


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({"command": words("opentelemetry-instrument python app.py")}, "opentelemetry-instrument"),
        ({"command": words("python -m devenv.tracing -- python app.py")}, "devenv.tracing"),
        ({"command": words("devenv run -- python app.py")}, "devenv run"),
        ({"command": words("java -javaagent:/opentelemetry-javaagent.jar -jar app.jar")}, "-javaagent"),
        (
            {"command": words("java -jar a.jar"), "environment": {"JAVA_TOOL_OPTIONS": "-javaagent:/otel.jar"}},
            "JAVA_TOOL",
        ),
        ({"command": words("ddtrace-run gunicorn shop")}, "ddtrace-run"),
        ({"build": inline("FROM python\nRUN pip install opentelemetry-sdk")}, "opentelemetry-sdk"),
    ],
)
def test_a_service_that_traces_itself_is_left_alone(fields: dict[str, Any], note: str) -> None:
    found = decided(PYTHON, **fields)
    assert found.by == "own"
    assert note in found.note
    assert found.injection is None


def test_variables_alone_are_no_tracing() -> None:
    assert decided(PYTHON, environment={"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SERVICE_NAME": "web"}).by == "devenv"


def test_another_java_agent_is_no_tracing() -> None:
    found = decided(command=words("java -javaagent:/jmx_prometheus_javaagent.jar -jar app.jar"))
    assert found.by != "own"


def test_dependencies_that_bring_tracing_are_a_sign(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM python:3.12\nCOPY requirements.txt .\nCMD python app.py\n")
    (tmp_path / "requirements.txt").write_text("flask\nopentelemetry-api\n")
    assert decided(build=Build(context=tmp_path)).by == "devenv"
    (tmp_path / "requirements.txt").write_text("flask\nopentelemetry-sdk==1.20\n")
    found = decided(build=Build(context=tmp_path))
    assert (found.by, found.note) == ("own", "requirements.txt has opentelemetry-sdk")


def test_a_service_that_runs_the_image_of_another_one_is_judged_by_its_build() -> None:
    build = inline("FROM python\nRUN pip install opentelemetry-sdk")
    web, idle = service("web", build=build), service("idle")
    found = decide(with_build_of_its_image(idle, stack(web, idle)), PYTHON, agents=AGENTS)
    assert found.by == "own"
    assert with_build_of_its_image(idle, stack(idle)) == idle


def test_switched_off_by_the_file_or_by_the_command() -> None:
    found = decided(PYTHON, x={"instrument": False})
    assert (found.by, found.note) == ("none", "x-devenv.instrument: false")
    found = decided(PYTHON, enabled=False)
    assert (found.by, found.note) == ("none", "--no-instrument")


@pytest.mark.parametrize(
    ("image", "note"), [("postgres:16", "database"), ("nginx:1", "web server"), ("rabbitmq:3", "broker")]
)
def test_infrastructure_needs_no_tracing(image: str, note: str) -> None:
    found = decided(image=image)
    assert (found.by, found.note) == ("not needed", note)


@pytest.mark.parametrize(
    "image", ["golang:1", "rust:1", "php:8", "ruby:3", "gcc:13", "mcr.microsoft.com/dotnet/aspnet:8.0"]
)
def test_other_languages_have_the_line_of_their_ecosystem(image: str) -> None:
    found = decided(image=image)
    assert found.by == "none"
    assert found.language
    assert "pentelemetry" in found.note.lower()


def test_an_unknown_program_says_so() -> None:
    found = decided()
    assert (found.by, found.language) == ("none", "")
    assert "not recognised" in found.note


@pytest.mark.parametrize("where", ["service", "image"])
def test_a_configuration_file_of_opentelemetry_is_said(where: str) -> None:
    own = {"OTEL_CONFIG_FILE": "/otel.yaml"} if where == "service" else {}
    config = replace(PYTHON, environment={**PYTHON.environment, "OTEL_CONFIG_FILE": "/otel.yaml"})
    found = decided(config if where == "image" else PYTHON, environment=own)
    assert "OTEL_CONFIG_FILE is set, so the other OTEL_ variables have no effect" in found.note


@pytest.mark.parametrize(
    ("own", "image", "kept"),
    [({}, {}, ""), ({"PYTHONPATH": "/a:/b"}, {"PYTHONPATH": "/i"}, ":/a:/b"), ({}, {"PYTHONPATH": "/i"}, ":/i")],
)
def test_a_pythonpath_is_kept(own: dict[str, str], image: dict[str, str], kept: str) -> None:
    found = python_injection(Surroundings(own=own, beneath=image), python_library())
    assert found.environment["PYTHONPATH"] == f"/.devenv/python/devenv/tracing/startup{kept}"
    version, *folders = found.environment["DEVENV_TRACING_LIBRARIES"].split(":")
    assert version.startswith(">=3.")
    assert folders == ["/.devenv/python/library.zip", "/.devenv/python"]


@pytest.mark.parametrize("endpoint", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_a_failing_export_to_an_own_endpoint_is_said_at_once(endpoint: str) -> None:
    own = {endpoint: "http://127.0.0.1:4399"}
    assert python_injection(Surroundings(own={}), python_library()).environment["DEVENV_TRACING_RECEIVER"] == "starting"
    assert "DEVENV_TRACING_RECEIVER" not in python_injection(Surroundings(own=own), python_library()).environment


@pytest.mark.parametrize(
    ("image", "command", "too_old"),
    [
        ("3.8.18", "python app.py", "3.8"),
        ("2.7.18", "python app.py", "2.7"),
        ("3.9.0", "python app.py", ""),
        ("3.13.1", "gunicorn app:app", ""),
        ("3.12.1", "/usr/bin/python3.6 app.py", "3.6"),
        ("3.6.15", "/opt/venv/bin/python3.11 app.py", ""),
        ("3.12.1", "sh -c 'exec python2.7 app.py'", ""),  # a script is not looked into: the log says it
        ("latest", "python app.py", ""),
    ],
)
def test_a_python_that_is_too_old_is_left_alone_and_said(image: str, command: str, too_old: str) -> None:
    config = ImageConfig(environment={"PYTHON_VERSION": image}, command=tuple(shlex.split(command)))
    found = decided(config)
    assert (found.by, found.language) == ("none" if too_old else "devenv", "python")
    assert found.note == (f"Python {too_old} is too old: devenv traces 3.9 or later" if too_old else "")


def test_nothing_is_copied_for_a_process_of_this_machine() -> None:
    found = python_injection(Surroundings(own={}, processes=True), python_library())
    assert found.files == ()
    assert (Path(found.environment["PYTHONPATH"]) / "sitecustomize.py").is_file()


def test_a_process_keeps_what_it_inherits_from_this_machine() -> None:
    shell = {"PYTHONPATH": "/shared/code", "NODE_OPTIONS": "--no-warnings", "OTEL_PROPAGATORS": "b3"}
    python = service("web", x={"process": {"command": "python app.py"}})
    found = decide(python, None, agents=AGENTS, inherited=inherited(shell)).injection
    assert found is not None
    assert found.environment["PYTHONPATH"].endswith("/startup:/shared/code")
    own = service("web", x={"process": {"command": "python app.py", "env": {"PYTHONPATH": "lib"}}})
    found = decide(own, None, agents=AGENTS, inherited=inherited(shell)).injection
    assert found is not None
    assert found.environment["PYTHONPATH"].endswith("/startup:lib")
    assert inherited(shell) == {"PYTHONPATH": "/shared/code", "NODE_OPTIONS": "--no-warnings"}


def test_the_library_is_pure_python_and_has_what_it_needs() -> None:
    files = dict(python_library().tree.files)
    archive = files.pop("library.zip")
    assert isinstance(archive, bytes)
    names = set(zipfile.ZipFile(io.BytesIO(archive)).namelist())
    assert {"devenv.tracing.__init__.py", "yaml.__init__.py", "typing_extensions.py"} <= names
    assert "opentelemetry.trace.__init__.py" in names
    assert not [name for name in names if name.startswith("opentelemetry.sdk")]
    sources = {name for name in names if name.endswith(".py")}
    assert names == sources | {byte_code(name) for name in sources} | {"opentelemetry.__path__"} | {
        f"opentelemetry.{name}.__path__" for name in ("propagators", "util")
    }
    own = {name for name in sources if name.startswith("devenv.")}
    assert {name for name in own if ".tracing." not in name} == {"devenv.__init__.py"}


def byte_code(name: str) -> str:
    return f"{name.removesuffix('.py')}.{sys.implementation.cache_tag}.pyc"


def test_few_files_are_put_beside_the_archive() -> None:
    names = {name for name, _ in python_library().tree.files} - {"library.zip"}
    startup = {name for name in names if name.startswith("devenv/tracing/startup/")}
    assert {"devenv/tracing/startup/sitecustomize.py", "devenv/tracing/startup/_devenv_borrowed.py"} < startup
    assert all(name.endswith(("/METADATA", "/entry_points.txt")) for name in names - startup)
    assert any(name.endswith("entry_points.txt") for name in names)
    assert len(names) <= 10  # each costs a start 0.3 ms


async def test_up_adds_it_and_a_changed_injection_replaces_the_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.engine.images["shop:1"] = FakeImage("sha256:1", PYTHON)
    wanted = stack(service("web"))
    result = await world.up(wanted)
    assert result.tracing["web"].by == "devenv"
    (instance,) = [item for item in world.engine.instances.values() if item.spec.service.name == "web"]
    assert instance.spec.service.environment["PYTHONPATH"].startswith("/.devenv/python")
    assert [tree.target for tree in instance.spec.trees] == ["/.devenv/python"]
    assert not (await world.up(wanted)).plan.changes
    other = Injection(files=(FileTree(target="/.devenv/python", files=(), digest="other"),))
    monkeypatch.setattr("devenv.orchestrate.up.AGENTS", {"python": lambda _: other})
    assert {change.target for change in (await world.up(wanted)).plan.changes if "web" in change.target}
    plain = await world.up(wanted, instrument=False)
    assert plain.tracing["web"].by == "none"
    (instance,) = [item for item in world.engine.instances.values() if item.spec.service.name == "web"]
    assert instance.spec.trees == ()
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in instance.spec.service.environment
