"""``down`` on every engine: each is asked, and what one of them refuses keeps nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devenv.app import engines
from devenv.app.environment.down import down, down_all
from devenv.app.invocation import EngineChoice, Invocation
from devenv.app.record import Record, write_record
from devenv.contract.specification import InstanceSpec
from devenv.engine.process import projects
from devenv.engine.process.engine import CAPABILITIES as PROCESS
from devenv.errors import EngineRefused, EngineUnavailable
from devenv.events import Event, Notice
from devenv.model.down_document import DownDocument
from devenv.model.identity import Project, identify
from devenv.orchestrate.down import DownOptions
from devenv.testing import FakeClock, FakeEngine, FakeImage, make_service
from devenv.testing.builders import make_labels


class Machine:
    """A Docker engine with the project `d`, and process engines with the projects `p` and `q`."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.clock = FakeClock()
        self.events: list[Event] = []
        self.docker: FakeEngine | EngineUnavailable = FakeEngine(self.clock)
        self.processes: dict[Path, FakeEngine] = {}
        for name in "pq":
            (directory / name / ".devenv").mkdir(parents=True, mode=0o700)
            (directory / name / ".devenv" / "project.json").write_text(json.dumps({}))
            self.processes[directory / name] = FakeEngine(self.clock)
        monkeypatch.setattr(engines, "connect", self.connect)
        monkeypatch.setattr(projects, "running_projects", lambda: tuple(self.processes))

    async def connect(self, name: str, project: Project, environ: object) -> FakeEngine:
        del environ
        if name == "process":
            return self.processes[project.directory]
        if isinstance(self.docker, EngineUnavailable):
            raise self.docker
        return self.docker

    async def fill(self) -> None:
        if isinstance(self.docker, FakeEngine):
            await add(self.docker, identify(self.directory / "d"))
        for path, engine in self.processes.items():
            await add(engine, identify(path))

    async def down(self, engine: EngineChoice = "auto") -> DownDocument:
        invocation = Invocation(directory=self.directory, engine=engine)
        return await down_all(invocation, DownOptions(), clock=self.clock, sink=self.events.append)

    def notices(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Notice)]


async def add(engine: FakeEngine, project: Project) -> None:
    engine.images["web:1"] = FakeImage("sha256:1")
    spec = InstanceSpec(
        name=f"{project.id}-web-1",
        project=project,
        service=make_service("web", image="web:1"),
        index=1,
        labels=make_labels(project, "web", 1, config_hash="0"),
        image="web:1",
        networks={},
    )
    await engine.start(await engine.create(spec))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


@pytest.mark.parametrize(("engine", "expected"), [("auto", "dpq"), ("docker", "d"), ("process", "pq")])
async def test_every_engine_is_asked_or_the_one_that_was_requested(
    machine: Machine, engine: EngineChoice, expected: str
) -> None:
    await machine.fill()
    document = await machine.down(engine)
    assert sorted(name[0] for name in (*document.removed.containers, *document.removed.processes)) == list(expected)
    assert [path.name for path in machine.processes if not (path / ".devenv/project.json").exists()] == [
        name for name in expected if name != "d"
    ]


async def test_an_engine_that_does_not_respond_is_named(machine: Machine) -> None:
    machine.docker = EngineUnavailable("cannot connect to unix:///nosuch")
    await machine.fill()
    document = await machine.down()
    assert len(document.removed.containers) == 2, "of the fake engines of p and q"
    assert machine.notices() == ["projects on Docker were not looked for: cannot connect to unix:///nosuch"]


async def test_a_requested_engine_that_does_not_respond_is_an_error(machine: Machine) -> None:
    machine.docker = EngineUnavailable("cannot connect to unix:///nosuch")
    with pytest.raises(EngineUnavailable):
        await machine.down("docker")


async def test_what_cannot_be_removed_keeps_no_other_project(machine: Machine) -> None:
    await machine.fill()
    assert isinstance(machine.docker, FakeEngine)
    machine.docker.faults.fail("remove", EngineRefused("d: cannot end it"), times=None)
    with pytest.raises(EngineRefused, match="d: cannot end it"):
        await machine.down()
    assert [len(engine.instances) for engine in machine.processes.values()] == [0, 0]


@pytest.mark.parametrize("asked", ["auto", "process"])
async def test_a_project_that_runs_on_both_engines_ends_on_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: EngineChoice
) -> None:
    """Docker did not respond when its record was lost, so that it was started as processes, too."""
    clock, events = FakeClock(), list[Event]()
    found = {"docker": FakeEngine(clock), "process": FakeEngine(clock, name="process", capabilities=PROCESS)}
    project = identify(tmp_path)
    for engine in found.values():
        await add(engine, project)
    write_record(tmp_path, Record(id=project.id, name=project.name, stack="", engine="process"))

    async def connect(name: str, *_: object) -> FakeEngine:
        return found[name]

    monkeypatch.setattr(engines, "connect", connect)
    environ = {"DOCKER_HOST": "tcp://192.0.2.1:2375"}
    invocation = Invocation(directory=tmp_path, engine=asked, environ=environ)
    await down(invocation, DownOptions(), clock=clock, sink=events.append)
    left = {name for name, engine in found.items() if engine.instances}
    if asked == "process":
        assert left == {"docker"}, "what is asked for, and no more"
        return
    assert not left
    texts = [event.message for event in events if isinstance(event, Notice)]
    assert texts == [f"{project.name} runs on the process engine and on the docker engine"]
