from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devenv.analysis.causes import Setup, fault_of
from devenv.analysis.completeness import Expectation, classify
from devenv.app.traces.setup_warnings import setup_warnings
from devenv.app.traces.setups import names_in_spans, tracing_setups
from devenv.contract.capabilities import Capabilities
from devenv.engine.docker.engine import CAPABILITIES as DOCKER
from devenv.engine.process.engine import CAPABILITIES as PROCESS
from devenv.model.extension import StackExtension
from devenv.model.stack import Stack
from devenv.stack import load_stack
from devenv.testing.builders import make_service


def stack(**services: dict[str, Any]) -> Stack:
    made = {name: make_service(name, **fields) for name, fields in services.items()}
    return Stack(name="s", directory=Path("/s"), files=(), services=made, x=StackExtension())


def test_what_the_file_sets_is_judged_by_the_engine_it_runs_on() -> None:
    loopback = {"environment": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}}
    made = stack(web=loopback, host={**loopback, "network_mode": "host"}, plain={})
    on_docker, on_process = tracing_setups(made, DOCKER), tracing_setups(made, PROCESS)
    assert "loopback endpoint" in fault_of(on_docker["web"])
    assert fault_of(on_docker["host"]) == fault_of(on_docker["plain"]) == fault_of(on_process["web"]) == ""


def test_grpc_is_no_fault_on_either_engine() -> None:
    made = stack(web={"environment": {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}})
    assert fault_of(tracing_setups(made, PROCESS)["web"]) == fault_of(tracing_setups(made, DOCKER)["web"]) == ""


def test_settings_for_traces_alone_win_and_spans_carry_another_name() -> None:
    environment = {
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:4317",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://b:4318",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc",
        "OTEL_SDK_DISABLED": " TRUE ",
    }
    (setup,) = tracing_setups(stack(web={"environment": environment}), DOCKER).values()
    assert (setup.endpoint, setup.protocol, setup.disabled) == ("http://b:4318", "grpc", True)
    assert list(tracing_setups(stack(web={"environment": environment}), DOCKER)) == ["shop"]
    assert "the HTTP port" in fault_of(replace(setup, disabled=False))


def test_the_trace_backend_and_services_that_are_not_expected_are_not_blamed() -> None:
    made = stack(jaeger={"image": "jaegertracing/jaeger:2.13.0"}, web={}, database={"x": {"instrument": False}})
    setups = tracing_setups(made, DOCKER)
    assert set(setups) == {"web", "database"}
    found = classify(None, Expectation(services=frozenset({"web"}), setups=setups))
    assert "database" not in found.cause
    found = classify(None, Expectation(services=frozenset({"web", "database"}), setups=setups))
    assert found.cause == "database is not traced (x-devenv.instrument: false)"


def warned(tmp_path: Path, text: str, capabilities: Capabilities | None = DOCKER) -> list[str]:
    file = tmp_path / "compose.yaml"
    file.write_text(text)
    found = setup_warnings(load_stack([file], environ={}), capabilities)
    return [f"{warning.location}: {warning.message}".replace(f"{tmp_path}/", "") for warning in found]


STACK = """services:
  web:
    image: shop
    environment:
      A: b
      {variable}: {value}
  api: {{image: shop, networks: {{default: {{aliases: [collector-alias]}}}}}}
  db:
    image: postgres:16
    environment: {{OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318'}}
  off:
    image: shop
    x-devenv: {{instrument: false}}
    environment: {{OTEL_SDK_DISABLED: 'true'}}
"""


@pytest.mark.parametrize(
    ("variable", "value", "warning"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318", "web exports to http://localhost:4318, which is the"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4318/v1/traces", "web exports to http://127.0.0.1"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://colector:4318", "web exports to http://colector:4318, but colector is"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://jaeger:port", "web exports to http://jaeger:port, which is not a URL"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://jaeger:16686", "web exports to http://jaeger:16686, where the trace"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://Jaeger", "web exports to http://Jaeger, where the trace backend does"),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://jaeger:14268/api/traces",
            "web exports to http://jaeger:14268/api/trac",
        ),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://jaeger:9411", "web exports to http://jaeger:9411, where the"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "jaeger:4318", "web exports to jaeger:4318, which does not begin with http://"),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://jaeger:4318/v1/traces",
            "web exports to http://jaeger:4318/v1/traces/v",
        ),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://jaeger:4318", "web exports to http://jaeger:4318, not to /v1/"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://jaeger:4318/", "web exports to http://jaeger:4318/, not to /v1"),
        ("OTEL_TRACES_SAMPLER", "always_off", "web does not sample any trace (sampler always_off)"),
        ("OTEL_SDK_DISABLED", "'true'", "web has tracing disabled"),
        ("OTEL_TRACES_EXPORTER", "none", "web does not export traces over OTLP"),
    ],
)
def test_settings_that_cannot_work_are_warnings_with_their_line(
    tmp_path: Path, variable: str, value: str, warning: str
) -> None:
    (found,) = warned(tmp_path, STACK.format(variable=variable, value=value))
    assert found.startswith(f"compose.yaml:6:{9 + len(variable)}: {warning}")
    assert warned(tmp_path, STACK.format(variable=variable, value=value), None) == [found]


@pytest.mark.parametrize(("port", "protocol"), [(4317, "http/protobuf"), (4318, "grpc")])
def test_a_protocol_that_does_not_fit_the_port_is_a_warning(tmp_path: Path, port: int, protocol: str) -> None:
    more = f"http://jaeger:{port}\n      OTEL_EXPORTER_OTLP_PROTOCOL: {protocol}"
    (found,) = warned(tmp_path, STACK.format(variable="OTEL_EXPORTER_OTLP_ENDPOINT", value=more))
    assert found.startswith("compose.yaml:6:36: web exports over")
    assert found.endswith("(wrong endpoint or protocol)")


@pytest.mark.parametrize(
    ("variable", "endpoint"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "jaeger:4317"),  # as gRPC exporters take it
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://jaeger:4318/"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otel.example.com/tenant"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://jaeger:4318/v1/traces"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://jaeger:4317"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://otel.example.com"),  # which paths it takes is not known
    ],
)
def test_paths_of_endpoints_that_can_work_are_not_warned_of(tmp_path: Path, variable: str, endpoint: str) -> None:
    assert warned(tmp_path, STACK.format(variable=variable, value=endpoint)) == []


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://jaeger:4318",  # the one that devenv adds
        "http://api:4318",
        "http://collector-alias:4317",
        "http://otel.example.com:4318",
        "http://10.0.0.7:4318",
        "http://[fd00::7]:4318",
        "http://host.docker.internal:4318",
    ],
)
def test_endpoints_that_can_work_are_not_warned_of(tmp_path: Path, endpoint: str) -> None:
    assert warned(tmp_path, STACK.format(variable="OTEL_EXPORTER_OTLP_ENDPOINT", value=endpoint)) == []


def test_a_loopback_endpoint_is_right_for_a_process(tmp_path: Path) -> None:
    text = STACK.format(variable="OTEL_EXPORTER_OTLP_ENDPOINT", value="http://localhost:4318")
    assert warned(tmp_path, text, PROCESS) == []
    process = text.replace("    image: shop\n", "    x-devenv: {process: {command: sleep 9}}\n", 1)
    assert warned(tmp_path, process, None) == []


BACKEND = """  traces:
    image: jaegertracing/jaeger:2.13.0
    hostname: tracing
    ports: ['24318:4318', '26686:16686']
    {more}
"""


@pytest.mark.parametrize(
    ("endpoint", "backend", "wrong"),
    [
        ("http://localhost:16686", None, True),
        ("http://[::1]:13133", None, True),
        ("http://127.0.0.1:4319", None, False),  # a collector of the user's own may listen there
        ("http://localhost:24318", "", False),
        ("http://localhost:26686", "", True),
        ("http://localhost:16686", "", False),  # published elsewhere
        ("http://tracing:9411", "", True),
        ("http://traces:4318", "", False),
        ("http://traces:9411", "command: ['--config', own.yaml]", False),  # its ports are not known
    ],
)
def test_a_port_of_the_backend_that_accepts_no_spans_is_a_warning(
    tmp_path: Path, endpoint: str, backend: str | None, wrong: bool
) -> None:
    text = STACK.format(variable="OTEL_EXPORTER_OTLP_ENDPOINT", value=endpoint)
    text += "" if backend is None else BACKEND.format(more=backend)
    found = warned(tmp_path, text, PROCESS)
    assert [message.partition(", where")[0] for message in found] == (
        [f"compose.yaml:6:36: web exports to {endpoint}"] if wrong else []
    )


def test_the_entry_point_is_looked_at_first_and_untraced_services_are_not_blamed_for_all(tmp_path: Path) -> None:
    setups = {
        "db": Setup(instrumented=False),
        "api": Setup(sampler="always_off"),
        "web": Setup(endpoint="http://localhost:4318", isolated=True),
    }
    wanted = Expectation(services=frozenset(setups), setups=setups, entrypoint="web")
    assert classify(None, wanted).cause.startswith("web exports to")
    assert classify(None, replace(wanted, services=frozenset())).cause.startswith("web exports to")
    assert classify(None, replace(wanted, setups={**setups, "web": Setup()})).cause.startswith("api does not sample")
    only = {**setups, "web": Setup(), "api": Setup()}
    assert classify(None, replace(wanted, setups=only)).cause.startswith("no span arrived, not even devenv's own")


def test_the_name_in_spans_may_come_from_the_resource_attributes() -> None:
    made = stack(web={"environment": {"OTEL_RESOURCE_ATTRIBUTES": "team=a, service.name=shop"}}, api={})
    assert names_in_spans(made) == {"shop": "web", "api": "api"}


def test_the_name_in_the_resource_attributes_may_be_percent_encoded() -> None:
    made = stack(web={"environment": {"OTEL_RESOURCE_ATTRIBUTES": "service.name=my%20shop%2C1"}})
    assert names_in_spans(made) == {"my shop,1": "web"}
