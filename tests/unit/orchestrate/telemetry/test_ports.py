"""devenv's own backend beside a collector that publishes the same ports."""

from __future__ import annotations

from pathlib import Path

import pytest
from orchestration import JAEGER, World, service, stack

from devenv.engine.process.engine import CAPABILITIES as PROCESS
from devenv.events import Notice
from devenv.model.stack import Port, Service, Stack
from devenv.orchestrate.instrument import instrument
from devenv.orchestrate.naming import entrypoint_of
from devenv.orchestrate.telemetry.ports import beside_own_telemetry
from devenv.testing import FakeEngine, FakeImage

COLLECTOR = "otel/opentelemetry-collector:0.130.0"


def collector(*hosts: int, image: str = COLLECTOR, **more: object) -> Service:
    return service("otel", image=image, ports=tuple(Port(container=host, host=host) for host in hosts), **more)


def beside(wanted: Stack, directory: Path, *, backend: str = "jaeger") -> tuple[dict[int, int | None], str]:
    traced = instrument(wanted, backend=backend)  # type: ignore[arg-type]  # a parameter of the test
    moved, text = beside_own_telemetry(World(directory=directory).project, traced, remember=True)
    assert moved.services["otel"].ports == traced.services["otel"].ports
    found = moved.trace_backend
    assert found is not None
    return {port.container: port.host for port in found.ports}, text


@pytest.mark.parametrize("backend", ["jaeger", "embedded"])
def test_only_what_the_collector_publishes_moves_and_stays_where_it_is(tmp_path: Path, backend: str) -> None:
    wanted = stack(collector(4318, x={"process": {"command": "otelcol"}}), service("web"), backend=False)
    ports, text = beside(wanted, tmp_path, backend=backend)
    assert ports[16686] == 16686
    moved = ports[4318]
    assert moved is not None
    assert 20_000 <= moved < 32_000
    assert text == f"the trace backend jaeger takes free ports, because otel publishes its usual ones: 4318 at {moved}"
    assert beside(wanted, tmp_path, backend=backend)[0] == ports


def test_a_range_and_every_address_count(tmp_path: Path) -> None:
    wide = Port(container=4317, host=4317, host_last=4318, address="0.0.0.0")
    ports, text = beside(stack(service("otel", ports=(wide,)), backend=False), tmp_path)
    assert {port for port, host in ports.items() if host != port} == {4317, 4318}
    assert text.count(" at ") == 2


def test_a_collector_on_the_host_s_network_listens_without_publishing(tmp_path: Path) -> None:
    ports, _ = beside(stack(collector(network_mode="host"), backend=False), tmp_path)
    assert {port for port, host in ports.items() if host != port} == {4317, 4318}


def test_nothing_moves_without_a_collision_nor_a_backend_of_the_stack(tmp_path: Path) -> None:
    ports, text = beside(stack(collector(), backend=False), tmp_path)
    assert (set(ports.items()), text) == ({(port, port) for port in (16686, 4317, 4318)}, "")
    own = service("tracing", image=JAEGER, ports=(Port(container=4318, host=4318),))
    assert beside(stack(collector(4318), own, backend=False), tmp_path) == ({4318: 4318}, "")


@pytest.mark.parametrize("process", [False, True])
async def test_up_says_so_and_keeps_the_ports(tmp_path: Path, process: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devenv.orchestrate.published_ports.is_free", lambda *_: True)  # whatever this machine runs
    world = World(directory=tmp_path)
    if process:
        world.engine = FakeEngine(world.clock, capabilities=PROCESS)
    world.engine.images[COLLECTOR] = FakeImage("sha256:otel")
    own = {"process": {"command": "otelcol"}}
    wanted = stack(collector(4318, x=own), service("web", x=own), backend=False)
    result = await world.up(wanted)
    assert not result.failed
    (said,) = [event.message for event in world.events if isinstance(event, Notice) and "free ports" in event.message]
    assert said.startswith("the trace backend jaeger takes free ports, because otel publishes its usual ones: 4318 at ")
    assert "published ports changed" not in await world.plan(wanted)
    assert (await world.plan(wanted)).count("keep") == 3


async def test_a_block_moves_both(tmp_path: Path) -> None:
    world = World(directory=tmp_path)
    world.engine.images[COLLECTOR] = FakeImage("sha256:otel")
    await world.up(stack(collector(4318), backend=False), isolated=True)
    assert not [e for e in world.events if isinstance(e, Notice) and "free ports" in e.message]


def test_a_collector_is_no_entry_point() -> None:
    web = service("web", ports=(Port(container=8000, host=8000),))
    assert entrypoint_of(stack(collector(4318), web)) == "web"
    lgtm = service("lgtm", image="grafana/otel-lgtm", ports=(Port(container=3000, host=3000),))
    assert entrypoint_of(stack(lgtm, web)) == "web"


def test_a_collector_gets_no_tracing_variables_and_its_senders_keep_metrics_and_logs() -> None:
    sender = service("web", environment={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://OTEL:4318"})
    traced = instrument(stack(collector(4318), sender, service("api"), backend=False), backend="jaeger")
    assert dict(traced.services["otel"].environment) == {}
    own = traced.services["web"].environment
    assert own["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://OTEL:4318"
    assert not {"OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"} & set(own)
    direct = traced.services["api"].environment
    assert direct["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://jaeger:4318"
    assert direct["OTEL_METRICS_EXPORTER"] == "none"
