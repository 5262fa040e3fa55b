"""What Node.js and Java services get, and which of their options stay."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from devenv.orchestrate.agents.catalogue import JAVA, NODE, AgentKind
from devenv.orchestrate.agents.store import Agent
from devenv.orchestrate.instrumentation.agent_injections import java_injection, node_injection
from devenv.orchestrate.instrumentation.agents import AGENTS
from devenv.orchestrate.instrumentation.injection import Surroundings


def agent(kind: AgentKind, folder: Path) -> Agent:
    folder.mkdir(exist_ok=True)
    (folder / kind.entry).write_text("")
    return Agent(kind=kind, version="1", directory=folder, source="npm", sha256="ab", size=0)


def node_options(folder: Path, own: Mapping[str, str], image: Mapping[str, str], *, processes: bool = False) -> str:
    surroundings = Surroundings(own=own, beneath=image, processes=processes)
    return node_injection(surroundings, agent(NODE, folder)).environment["NODE_OPTIONS"]


def java_options(folder: Path, own: Mapping[str, str], image: Mapping[str, str], *, processes: bool = False) -> str:
    surroundings = Surroundings(own=own, beneath=image, processes=processes)
    return java_injection(surroundings, agent(JAVA, folder)).environment["JAVA_TOOL_OPTIONS"]


def test_options_of_the_service_and_of_its_image_are_kept(tmp_path: Path) -> None:
    ours = "--require /.devenv/node/start.cjs"
    assert node_options(tmp_path, {}, {}) == ours
    assert node_options(tmp_path, {"NODE_OPTIONS": "--inspect"}, {"NODE_OPTIONS": "-x"}) == f"{ours} --inspect"
    assert node_options(tmp_path, {}, {"NODE_OPTIONS": "-x"}) == f"{ours} -x"
    ours = "-javaagent:/.devenv/java/opentelemetry-javaagent.jar"
    assert java_options(tmp_path, {}, {}) == ours
    assert java_options(tmp_path, {"JAVA_TOOL_OPTIONS": "-Xmx1g"}, {}) == f"-Xmx1g {ours}"
    assert java_options(tmp_path, {}, {"JAVA_TOOL_OPTIONS": "-Da=b"}) == f"-Da=b {ours}"


def test_a_process_loads_the_agent_from_its_folder_whatever_its_name(tmp_path: Path) -> None:
    assert node_options(tmp_path, {}, {}, processes=True) == f"--require {tmp_path}/start.cjs"
    folder = tmp_path / 'my "agents"'
    assert node_options(folder, {}, {}, processes=True) == f'--require "{tmp_path}/my \\"agents\\"/start.cjs"'
    folder = tmp_path / "my agents"
    assert java_options(folder, {}, {}, processes=True) == f"-javaagent:'{folder}/opentelemetry-javaagent.jar'"


def test_containers_get_the_files_and_processes_do_not(tmp_path: Path) -> None:
    [tree] = node_injection(Surroundings(own={}), agent(NODE, tmp_path)).files
    assert (tree.target, tree.digest) == ("/.devenv/node", "ab")
    assert tree.files == (("start.cjs", tmp_path / "start.cjs"),)
    assert java_injection(Surroundings(own={}, processes=True), agent(JAVA, tmp_path)).files == ()


def test_settings_of_the_service_stay(tmp_path: Path) -> None:
    own = {"OTEL_TRACES_EXPORTER": "otlp,console", "OTEL_NODE_RESOURCE_DETECTORS": "all"}
    added = node_injection(Surroundings(own=own), agent(NODE, tmp_path)).environment
    assert not added.keys() & own.keys()
    assert added["OTEL_PROPAGATORS"] == "tracecontext,baggage"
    image = {"OTEL_PROPAGATORS": "b3"}
    assert (
        "OTEL_PROPAGATORS" not in java_injection(Surroundings(own={}, beneath=image), agent(JAVA, tmp_path)).environment
    )


@pytest.mark.parametrize(("command", "enabled"), [(("java", "Main.java"), True), (("java", "-jar", "a.jar"), False)])
def test_a_program_that_java_compiles_at_its_start_is_not_taken_for_a_tool(
    tmp_path: Path, command: tuple[str, ...], enabled: bool
) -> None:
    added = java_injection(Surroundings(own={}, command=command), agent(JAVA, tmp_path)).environment
    assert ("OTEL_JAVAAGENT_ENABLED" in added) is enabled


@pytest.mark.parametrize("language", ["node", "java"])
def test_a_missing_agent_is_said_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    monkeypatch.setenv("DEVENV_AGENTS_DIR", str(tmp_path))
    said = AGENTS[language](Surroundings(own={}))  # type: ignore[index]  # a language by its name
    assert isinstance(said, str)
    assert f"devenv agents add {language}" in said


def test_javas_sampler_asks_jaegers_port_for_grpc(tmp_path: Path) -> None:
    own = {"OTEL_TRACES_SAMPLER_ARG": "endpoint=http://jaeger:5778,pollingIntervalMs=5000,initialSamplingRate=0.1"}
    added = java_injection(Surroundings(own=own), agent(JAVA, tmp_path)).environment
    assert added["OTEL_TRACES_SAMPLER_ARG"] == own["OTEL_TRACES_SAMPLER_ARG"].replace("5778", "5779")
    for surroundings in (Surroundings(own=own, processes=True), Surroundings(own={"OTEL_TRACES_SAMPLER_ARG": "0.1"})):
        assert "OTEL_TRACES_SAMPLER_ARG" not in java_injection(surroundings, agent(JAVA, tmp_path)).environment
