"""An engine under another name runs unchanged: code above the engines decides by their capabilities alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from devenv.app import engines
from devenv.app.environment import down, lifecycle, status, up
from devenv.app.invocation import Invocation
from devenv.contract.capabilities import Capabilities
from devenv.contract.engine import Engine
from devenv.events import Event
from devenv.orchestrate.down import DownOptions
from devenv.orchestrate.up import UpOptions
from devenv.testing import FakeClock, FakeEngine, FakeImage, Script

PACKAGE = Path(__file__).parents[2] / "devenv"

NAMES = frozenset({"docker", "process", "swarm"})
NAME_ENGINES = frozenset({"app/engines.py", "app/environment/engines.py", "cli/globals.py"})
"""Where an engine is chosen, and where what the user types is read."""

STACK = """
name: shop
x-devenv: {entrypoint: web}
services:
  web:
    image: shop:1
    ports: ["8080:80"]
    volumes: ["data:/data"]
    depends_on: [jaeger]
    x-devenv: {process: {command: python app.py}}
  jaeger:
    image: jaegertracing/jaeger:2.13.0
    ports: ["16686:16686", "4318:4318"]
    x-devenv: {role: trace-backend}
volumes: {data: {}}
"""

CLUSTER = Capabilities(
    images=True, networks=True, volumes=True, processes=False, shared_loopback=False, trace_backend="jaeger"
)
LOCAL = Capabilities(
    images=False, networks=False, volumes=False, processes=True, shared_loopback=True, trace_backend="embedded"
)
MIXED = Capabilities(
    images=True, networks=True, volumes=False, processes=False, shared_loopback=True, trace_backend="embedded"
)


class FurtherEngine(FakeEngine):
    """Keeps its instances between commands, as an engine does."""

    async def close(self) -> None:
        """Nothing of it ends with a command."""


@pytest.fixture(params=[CLUSTER, LOCAL, MIXED], ids=["cluster", "local", "mixed"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FurtherEngine:
    """An engine of another name than the built ones', which is the one that `connect` leads to."""
    made = FurtherEngine(FakeClock(), name="nomad", capabilities=request.param)
    made.scripts = {"web": Script(), "jaeger": Script()}
    made.registry = {"shop:1": FakeImage("sha256:1"), "jaegertracing/jaeger:2.13.0": FakeImage("sha256:2")}
    asked: list[str] = []

    async def connect(name: str, *_: object) -> Engine:
        asked.append(name)
        assert set(asked) == {"nomad"}, "the record leads back to the engine"
        return made

    monkeypatch.setattr(engines, "connect", connect)
    return made


async def test_it_goes_through_every_verb(engine: FurtherEngine, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(STACK)
    clock, can = engine.clock, engine.capabilities
    events: list[Event] = []
    asked = Invocation(directory=tmp_path, engine="nomad")  # type: ignore[arg-type] # a name that cannot be typed yet
    recorded = Invocation(directory=tmp_path)
    plan = await up.plan(asked, UpOptions(), sink=events.append)
    kinds = {action.action for action in plan.actions}
    assert ("pull" in kinds, "create-network" in kinds, "create-volume" in kinds) == (
        can.images,
        can.networks,
        can.volumes,
    )

    made = await up.up(asked, up.UpRequest(options=UpOptions(), canary=False), clock=clock, sink=events.append)
    assert (made.engine, made.failures, up.verdict_code(made)) == ("nomad", [], 0)
    assert (bool(engine.images), bool(engine.networks), bool(engine.volumes)) == (can.images, can.networks, can.volumes)

    again = await up.up(recorded, up.UpRequest(options=UpOptions(), canary=False), clock=clock, sink=events.append)
    assert [service.instances[0].id for service in again.services] == [s.instances[0].id for s in made.services]

    seen = await status.status(recorded, clock=clock)
    assert status.verdict_code(seen) == 0
    assert seen.trace_backend is not None
    assert (seen.engine, seen.trace_backend.kind) == ("nomad", can.trace_backend)
    assert (seen.trace_backend.query_url, seen.entrypoint_url) == ("http://127.0.0.1:16686", "http://127.0.0.1:8080")

    for verb, state in (("stop", "exited"), ("start", "running"), ("restart", "running")):
        changed = await lifecycle.change(recorded, verb, (), timeout=10, clock=clock, sink=events.append)  # type: ignore[arg-type]
        assert {service.state for service in changed.services} == {state}, verb

    gone = await down.down(recorded, DownOptions(volumes=True), clock=clock, sink=events.append)
    removed, others = gone.removed.containers, gone.removed.processes
    if can.processes:
        removed, others = others, removed
    assert ([name.removeprefix(made.project) for name in removed], others) == (["-jaeger-1", "-web-1"], [])
    assert (bool(gone.removed.networks), bool(gone.removed.volumes)) == (can.networks, can.volumes)
    assert (gone.left, engine.instances, engine.networks, engine.volumes) == ([], {}, {}, {})


def test_no_engine_is_told_by_its_name() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if str(path.relative_to(PACKAGE)) not in NAME_ENGINES
        for line in comparisons(ast.parse(path.read_text()))
    ]
    assert found == [], "state what differs in devenv.contract.capabilities.Capabilities"


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("engine.name == 'docker'", True),
        ("engine in ('process', other)", True),
        ("choice.engine.name != other", True),
        ("engine_name = {'docker': 1}[engine.name]", True),
        ("match x:\n    case 'a' | 'swarm': pass", True),
        ("match self.engine.name:\n    case x: pass", True),
        ("parts['process'] = Literal['docker', 'swarm']", False),
        ("name = engine.name", False),
        ("f(engine='docker')", False),
        ("x == 'jaeger'", False),
    ],
)
def test_the_check_finds_comparisons(text: str, is_found: bool) -> None:
    assert bool(list(comparisons(ast.parse(text)))) == is_found


def comparisons(tree: ast.AST) -> Iterator[int]:
    """Lines on which something is compared with the name of an engine, or the name of an engine decides."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            parts = [node.value]
        elif isinstance(node, ast.Subscript):
            parts = [node.slice] if not isinstance(node.slice, ast.Constant | ast.Tuple) else []
        elif isinstance(node, ast.Match):
            parts = [node.subject]
        else:
            continue
        if any(_names_an_engine(inner) for part in parts for inner in ast.walk(part)):
            yield node.lineno if isinstance(node, ast.expr | ast.stmt) else node.value.lineno


def _names_an_engine(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return node.value in NAMES
    if not (isinstance(node, ast.Attribute) and node.attr == "name"):
        return False
    owner = node.value
    return (owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")) == "engine"
