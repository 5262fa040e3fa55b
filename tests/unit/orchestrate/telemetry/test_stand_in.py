"""The embedded backend in place of telemetry that only an image has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from orchestration import World, service, stack

from devenv.engine.process.engine import CAPABILITIES as PROCESS
from devenv.engine.process.launching import launch_of
from devenv.events import Notice
from devenv.model.stack import Attachment, Port, Service, Stack
from devenv.orchestrate.derivation.stack import derive_stack
from devenv.orchestrate.derivation.this_machine import this_machine
from devenv.orchestrate.instrument import instrument
from devenv.orchestrate.naming import instance_name
from devenv.testing import FakeEngine

OWN = {"process": {"command": "python app.py"}}
COLLECTOR = service(
    "otel-collector",
    image="otel/opentelemetry-collector",
    ports=(Port(container=4318, host=4318),),
    networks=(Attachment(network="default", aliases=("otel",)),),
)


def web(environment: dict[str, str] | None = None, **more: Any) -> Service:
    return service("web", environment=environment or {}, x=OWN, **more)


def made(*services: Service) -> Stack:
    return instrument(stack(*services, backend=False), backend="embedded")


def test_its_names_lead_to_the_backend_and_nothing_waits_for_it() -> None:
    found = made(COLLECTOR, web({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel:4318"}, depends_on=["otel-collector"]))
    assert list(found.services) == ["web", "jaeger"]
    assert found.services["web"].depends_on == ()
    assert found.services["web"].environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://otel:4318"
    backend = found.trace_backend
    assert backend is not None
    aliases = [alias for attachment in backend.networks for alias in attachment.aliases]
    assert set(aliases) == {"otel-collector", "otel"}
    assert [port.host for port in backend.ports] == [16686, 4317, 4318]


@pytest.mark.parametrize(
    ("own", "endpoint", "protocol"),
    [
        ({"ENDPOINT": "http://otel:4317"}, "http://otel:4317", "grpc"),
        ({"ENDPOINT": "otel:4317"}, "otel:4317", "grpc"),
        ({"ENDPOINT": "http://otel:4318"}, "http://otel:4318", "http/protobuf"),
        ({"ENDPOINT": "http://otel:4317", "PROTOCOL": "grpc"}, "http://otel:4317", "grpc"),
        ({"ENDPOINT": "http://elsewhere:4317"}, "http://elsewhere:4317", "grpc"),
        ({}, "http://jaeger:4318", "http/protobuf"),
    ],
)
def test_an_endpoint_stays_with_the_protocol_of_its_port(own: dict[str, str], endpoint: str, protocol: str) -> None:
    found = made(COLLECTOR, web({f"OTEL_EXPORTER_OTLP_{name}": value for name, value in own.items()}))
    environment = found.services["web"].environment
    assert environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == endpoint
    assert environment["OTEL_EXPORTER_OTLP_PROTOCOL"] == protocol


def test_an_endpoint_of_traces_stays_too() -> None:
    found = made(COLLECTOR, web({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://otel:4317"}))
    environment = found.services["web"].environment
    assert environment["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] == "http://otel:4317"
    assert environment["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] == "grpc"


def test_one_that_has_a_process_runs() -> None:
    given = service("otel", image="otel/opentelemetry-collector", x={"process": {"command": "otelcol"}})
    assert list(made(given, web()).services) == ["otel", "web", "jaeger"]


async def test_up_says_by_name_what_is_done() -> None:
    world = World()
    world.engine = FakeEngine(world.clock, capabilities=PROCESS)
    sender = web({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel-collector:4318"})
    zipkin = service("zipkin", image="openzipkin/zipkin")
    result = await world.up(stack(COLLECTOR, zipkin, sender))
    assert not result.failed
    assert [item.service.name for item in result.services] == ["web", "jaeger"]
    said = [event.message for event in world.events if isinstance(event, Notice)]
    assert said[-2:] == [
        "otel-collector is not started as a process: web sends to devenv's backend directly",
        "zipkin is not started as a process",
    ]
    (spec,) = [i.spec for i in world.engine.instances.values() if i.spec.service.name == "web"]
    assert spec.name == instance_name(world.project, sender, 1)
    (peer,) = [peer for peer in launch_of(spec).peers if "otel-collector" in peer.names]
    assert peer.service == "jaeger"
    assert 4318 in [port.container for port in peer.ports]


def test_nothing_is_derived_for_it() -> None:
    found = derive_stack(
        stack(COLLECTOR, service("zipkin", image="openzipkin/zipkin"), backend=False),
        this_machine({}, Path("/x/.devenv")),
    )
    assert (dict(found.derived), dict(found.missing)) == ({}, {})
