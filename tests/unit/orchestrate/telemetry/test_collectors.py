"""Which collectors get a copy of their configuration, and what is said about the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from orchestration import service, stack

from devenv.model.stack import FileMount, FileSource, Mount, Port, Service, Stack
from devenv.orchestrate.files import files_for
from devenv.orchestrate.instrument import instrument
from devenv.orchestrate.telemetry.collectors import OVERLAY_PATH
from devenv.orchestrate.telemetry.configuration_text import read_configuration
from devenv.orchestrate.telemetry.notes import notes

IMAGE = "otel/opentelemetry-collector:0.130.0"
DEFAULT = "/etc/otelcol/config.yaml"
CONFIG = """\
receivers: { otlp: { protocols: { http: } } }
exporters: { debug: }
service: { pipelines: { traces: { receivers: [otlp], exporters: [debug] } } }
"""
TO_GATEWAY = CONFIG.replace("debug", "otlp/next").replace("otlp/next: }", 'otlp/next: { endpoint: "gateway:4317" } }')
COPIED = "runs with a copy of its configuration that has the exporter otlphttp/devenv: devenv sees its spans"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "otel" / "config.yaml"
    path.parent.mkdir()
    path.write_text(CONFIG)
    return path


def bind(source: Path, target: str = DEFAULT) -> Mount:
    return Mount(kind="bind", source=str(source), target=target, read_only=True)


def collector(name: str = "otel", **own: Any) -> Service:
    return service(name, **{"image": IMAGE, **own})


def traced(*services: Service, **more: Any) -> Stack:
    return instrument(stack(*services, backend=False, **more), backend="jaeger")


def said(made: Stack, *, containers: bool = True) -> str:
    return "\n".join(notes(made, tuple(made.services), given=made, containers=containers))


def files_of(made: Stack, name: str = "otel") -> dict[str, str]:
    return {file.target: file.content.decode() for file in files_for(made, made.services[name])}


def exporters(text: str) -> list[str]:
    return read_configuration(text, "copy")["service"]["pipelines"]["traces"]["exporters"]


@pytest.mark.parametrize(
    ("image", "target", "command"),
    [
        (IMAGE, "/etc/otel.yaml", ("--config=/etc/otel.yaml",)),
        (IMAGE, DEFAULT, None),
        ("acme/gateway", "/etc/otel.yaml", ("--feature-gates=x", "--config", "file:/etc/otel.yaml")),
        ("signoz/signoz-otel-collector:1", "/etc/otel.yaml", ("sh", "-c", "otelcol --config=/etc/otel.yaml --set=a=b")),
    ],
)
def test_a_file_is_replaced_by_a_copy(file: Path, target: str, command: tuple[str, ...] | None, image: str) -> None:
    given = collector(image=image, mounts=(bind(file, target),), command=command, expose=(4318,))
    made = traced(given)
    assert exporters(files_of(made)[target]) == ["debug", "otlphttp/devenv"]
    assert made.services["otel"].mounts == ()
    assert made.services["otel"].command == command
    assert file.read_text() == CONFIG
    assert said(made) == f"otel {COPIED}"


def test_an_entry_of_configs_keeps_its_mode() -> None:
    mount = FileMount(source="otel", target=DEFAULT, uid="10001", mode=0o400)
    given = collector(configs=(mount,))
    made = traced(given, configs={"otel": FileSource(key="otel", content=CONFIG)})
    (copied,) = made.services["otel"].configs
    assert (copied.target, copied.uid, copied.mode) == (DEFAULT, "10001", 0o400)
    assert exporters(files_of(made)[DEFAULT]) == ["debug", "otlphttp/devenv"]
    assert made.configs["otel"].content == CONFIG


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("--config=/conf/config.yaml",), ("--config=/conf/config.yaml", "--config", OVERLAY_PATH)),
        (None, ("--config", DEFAULT, "--config", OVERLAY_PATH)),
    ],
)
def test_in_a_directory_it_is_added_to(file: Path, command: Any, expected: tuple[str, ...]) -> None:
    target = "/conf" if command else "/etc/otelcol"
    made = traced(collector(mounts=(bind(file.parent, target),), command=command))
    assert made.services["otel"].command == expected
    assert made.services["otel"].mounts == (bind(file.parent, target),)
    assert exporters(files_of(made)[OVERLAY_PATH]) == ["debug", "otlphttp/devenv"]
    assert said(made) == f"otel {COPIED}"


def test_several_files_are_added_to(file: Path) -> None:
    extra = file.with_name("extra.yaml")
    extra.write_text("service: { pipelines: { traces: { exporters: [debug, nop] } } }\nexporters: { nop: }\n")
    command = ("--config=/a.yaml", "--config=/b.yaml")
    made = traced(collector(mounts=(bind(file, "/a.yaml"), bind(extra, "/b.yaml")), command=command))
    assert exporters(files_of(made)[OVERLAY_PATH]) == ["debug", "nop", "otlphttp/devenv"]


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        ({}, f"its configuration {DEFAULT} is in its image"),
        ({"command": ("--config=env:CONF",)}, "its configuration is given as env:CONF"),
        ({"image": "otel/otelcol"}, "its command does not say where its configuration is"),
        ({"mounts": (Mount(kind="volume", source="v", target="/etc"),)}, f"its configuration {DEFAULT} is in a volume"),
        ({"mounts": (bind(Path("/nowhere/x.yaml")),)}, "/nowhere/x.yaml cannot be read here: No such file"),
        ({"command": ("--manager-config=/m.yaml", "--config=/c")}, "its configuration comes from a server"),
    ],
)
def test_where_no_copy_can_be_made_the_lines_to_paste_are_said(own: dict[str, Any], reason: str) -> None:
    made = traced(collector(**own))
    assert made.services["otel"].configs == ()
    text = said(made)
    assert f"devenv does not see the spans of otel: {reason}" in text
    assert 'otlphttp/devenv: { endpoint: "http://jaeger:4318" }' in text


def test_what_is_no_yaml_is_left_to_the_collector(file: Path) -> None:
    file.write_text("a: [")
    made = traced(collector(mounts=(bind(file),)))
    assert made.services["otel"].mounts == (bind(file),)
    assert "its configuration cannot be read: config.yaml:" in said(made)


def test_a_network_of_its_own_and_the_shell_line_of_a_directory_get_the_lines(file: Path) -> None:
    host = traced(collector(mounts=(bind(file),), network_mode="host"))
    assert "cannot resolve the trace backend's name with network_mode host" in said(host)
    shell = ("sh", "-c", "otelcol --config /conf/config.yaml")
    line = traced(collector(mounts=(bind(file.parent, "/conf"),), command=shell))
    assert "its command is a line of a shell" in said(line)
    assert "exporters: [..., otlphttp/devenv]" in said(line)


def test_it_can_be_left(file: Path) -> None:
    given = collector(mounts=(bind(file),))
    made = traced(given, x={"collector": "leave"})
    assert made.services["otel"] == given
    assert said(made) == "otel is left as it is (x-devenv.collector: leave): devenv does not see its spans"


def test_one_that_sends_to_the_backend_is_left(file: Path) -> None:
    file.write_text(TO_GATEWAY.replace("gateway", "jaeger"))
    made = traced(collector(mounts=(bind(file),)))
    assert made.services["otel"].configs == ()
    assert said(made) == "otel is left as it is: its spans reach the trace backend as it is configured"


def test_of_two_in_a_row_only_the_last_one_sends(file: Path) -> None:
    first = file.with_name("agent.yaml")
    first.write_text(TO_GATEWAY)
    agent = collector("agent", mounts=(bind(first),))
    made = traced(agent, collector("gateway", mounts=(bind(file),)))
    assert made.services["agent"].configs == ()
    assert exporters(files_of(made, "gateway")[DEFAULT]) == ["debug", "otlphttp/devenv"]
    assert said(made) == (
        f"agent is left as it is: its spans reach the trace backend as it is configured\ngateway {COPIED}"
    )
    alone = traced(agent, collector("gateway"))
    assert exporters(files_of(alone, "agent")[DEFAULT]) == ["otlp/next", "otlphttp/devenv"]


def test_the_copy_changes_the_configuration_hash_and_nothing_else_does(file: Path) -> None:
    given = collector(mounts=(bind(file),))
    first = files_of(traced(given))
    assert files_of(traced(given)) == first
    file.write_text(CONFIG.replace("debug", "nop"))
    assert files_of(traced(given)) != first


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("openzipkin/zipkin", "devenv does not see what web sends to store, a trace backend that it cannot read"),
        ("signoz/signoz", "devenv does not see what web sends to store, a trace backend that it cannot read"),
        ("grafana/tempo", "devenv does not see what web sends to store, a trace backend that it cannot read"),
        ("grafana/alloy", 'client { endpoint = "http://jaeger:4318" }'),
        ("grafana/otel-lgtm", "its configuration /otel-lgtm/otelcol-config.yaml is in its image"),
    ],
)
def test_other_stores_and_collectors(image: str, expected: str) -> None:
    web = service("web", environment={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://store:4318"})
    made = traced(service("store", image=image), web)
    assert expected in said(made)
    assert made.services["web"].environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://store:4318"


def test_a_store_behind_a_collector_and_a_service_with_a_port_of_otlp_are_not_worth_a_word() -> None:
    unknown = service("acme", image="acme/web", ports=(Port(container=4318),))
    configured = service("app", image="acme/app", expose=(4317,), command=("--config=/app.yaml",))
    assert said(traced(service("tempo", image="grafana/tempo"), unknown, configured)) == ""


def test_local_processes_get_the_lines_with_the_port_of_this_machine(file: Path) -> None:
    given = collector(command=(f"--config={file}",), mounts=(bind(file, str(file)),), x={"process": {"command": "o"}})
    made = instrument(stack(given, backend=False), backend="embedded")
    assert made.services["otel"].configs == ()
    text = said(made, containers=False)
    assert "the files of local processes stay as they are" in text
    assert 'endpoint: "http://127.0.0.1:4318"' in text


def test_nothing_is_said_of_what_is_not_brought_up(file: Path) -> None:
    made = traced(collector(mounts=(bind(file),)), service("web"))
    assert notes(made, ("web",), given=made, containers=True) == ()
