"""`doctor` checks the ports that `up` would check: the added backend's too, and not the project's own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devenv.app.engines import Choice
from devenv.app.environment import port_checks as checking
from devenv.app.invocation import Invocation, read_stack
from devenv.contract.capabilities import Capabilities
from devenv.engine.process.engine import CAPABILITIES as PROCESS
from devenv.model.listings import CheckPart
from devenv.model.state import ObservedInstance, ObservedState, PublishedPort, State
from devenv.orchestrate import instrument, jaeger
from devenv.testing import FakeEngine
from devenv.testing.fake_engine import CONTAINERS


@contextmanager
def listening(address: str = "127.0.0.1") -> Iterator[int]:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as server:
        server.bind((address, 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    found = FakeEngine()

    async def choose(*_: object, **__: object) -> Choice:
        return Choice(found, "docker: chosen by the test")

    monkeypatch.setattr(checking, "choose", choose)
    return found


async def checks(directory: Path, ports: str = "") -> list[CheckPart]:
    (directory / "compose.yaml").write_text(f"services: {{web: {{image: web, ports: [{ports}]}}}}\n")
    invocation = Invocation(directory=directory)
    return await checking.checks_before_start(invocation, read_stack(invocation))


def added(monkeypatch: pytest.MonkeyPatch, *ports: int) -> None:
    """Let the added backend publish these ports instead of those of Jaeger, which may be in use here."""
    monkeypatch.setattr(jaeger, "PUBLISHED", ports)
    monkeypatch.setattr(instrument, "EMBEDDED_PORTS", ports)


@pytest.mark.parametrize("capabilities", [CONTAINERS, PROCESS], ids=["docker", "process"])
async def test_a_port_of_the_backend_that_devenv_adds(
    tmp_path: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, capabilities: Capabilities
) -> None:
    engine._capabilities = capabilities
    with listening() as port:
        added(monkeypatch, port)
        engine.foreign_ports[port] = "container all-in-one"
        (check,) = await checks(tmp_path)
    assert (check.verdict, check.found) == ("error", f"port {port} of jaeger is in use by container all-in-one")
    (check,) = await checks(tmp_path)
    assert (check.verdict, check.found) == ("ok", "all published ports are free")


async def test_a_port_that_the_stack_and_the_backend_publish(
    tmp_path: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    added(monkeypatch, 4318)
    (check,) = await checks(tmp_path, "'4318:8000'")
    assert check.verdict == "error"
    assert "host port 4318 is published by web and by the trace backend that devenv adds" in check.found
    assert "role: trace-backend" in check.hint


async def test_the_backend_moves_beside_a_collector_of_the_stack(
    tmp_path: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening() as port:
        pass
    added(monkeypatch, port)
    (check,) = await checks(tmp_path, f"'{port}:4318'")
    assert (check.verdict, check.found) == ("ok", "all published ports are free")
    assert not (tmp_path / ".devenv").exists()


async def test_the_ports_of_the_project_itself_are_not_taken_and_others_are(
    tmp_path: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening() as own, listening() as taken:
        added(monkeypatch, taken)
        (tmp_path / "compose.yaml").write_text(f"services: {{web: {{image: web, ports: ['{own}:80']}}}}\n")
        loaded = read_stack(Invocation(directory=tmp_path))
        web = ObservedInstance(
            id="1",
            name="web",
            service="web",
            index=1,
            state=State.RUNNING,
            config_hash="",
            ports=(PublishedPort(host=own, container=80),),
        )
        found = await checking.port_checks(engine, loaded, ObservedState(instances=(web,)))
    assert [check.found.partition(" is in use")[0] for check in found] == [f"port {taken} of jaeger"]
