from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from devenv.analysis.causes import fault_of
from devenv.analysis.completeness import Expectation, classify
from devenv.app.traces.setups import tracing_setups
from devenv.engine.docker.engine import CAPABILITIES as DOCKER
from devenv.engine.process.engine import CAPABILITIES as PROCESS
from devenv.model.extension import StackExtension
from devenv.model.stack import Stack
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


def test_grpc_is_a_fault_only_where_the_embedded_backend_stands() -> None:
    made = stack(web={"environment": {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}})
    assert "the embedded backend does not support" in fault_of(tracing_setups(made, PROCESS)["web"])
    assert fault_of(tracing_setups(made, DOCKER)["web"]) == ""


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
