"""`post_start` and `pre_stop`: when they run, and what their failure means, on the fake engine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from orchestration import World, service, stack

from devenv.contract.answers import ExecResult
from devenv.events import Notice, ServiceStarted, Stopping
from devenv.model.stack import Dependency, Hook
from devenv.model.state import ObservedInstance, State
from devenv.orchestrate.hook_labels import LABEL_PRE_STOP, pre_stop_of
from devenv.orchestrate.lifecycle import restart, stop
from devenv.testing import Script

SEED, WARM, LEAVE = Hook(command=("seed", "now")), Hook(command=("warm",)), Hook(command=("leave",))


class Hooked(World):
    """A world in which the instances of `db` note their hooks beside the calls of the engine."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.codes: dict[str, int] = {}
        self.hangs = False
        self.engine.scripts["db"] = Script(exec=self.answer)

    async def answer(self, command: Sequence[str]) -> ExecResult:
        self.ran.append(" ".join(command))
        if self.hangs:
            await asyncio.Event().wait()
        return ExecResult(exit_code=self.codes.get(command[0], 0), output=b"one\ntwo\n")

    @property
    def ran(self) -> list[str]:
        return self.__dict__.setdefault("_ran", [])

    def order(self) -> list[str]:
        """The calls that start and stop instances, by service."""
        return [call.method for call in self.engine.faults.calls if call.method in {"start", "exec", "stop"}]


def wanted(**fields: Any) -> Any:
    return stack(service("db", **fields), service("web", depends_on=(Dependency(service="db"),)), backend=True)


async def test_a_hook_runs_after_the_start_and_before_what_depends_on_it() -> None:
    world = Hooked()
    result = await world.up(wanted(post_start=(SEED, WARM)))
    assert not result.failed
    assert world.ran == ["seed now", "warm"]
    started = world.named(ServiceStarted)
    assert started.index("db") < started.index("web")
    world.ran.clear()
    await world.up(wanted(post_start=(SEED, WARM)))
    assert world.ran == []  # what runs is kept


async def test_the_schedule_names_the_hooks() -> None:
    schedule = await Hooked().schedule(wanted(post_start=(SEED,)))
    (line,) = [line for line in schedule.splitlines() if "run-hook" in line]
    assert "run-hook P-db-1 after" in line


async def test_a_failed_hook_is_a_failure_of_its_service() -> None:
    world = Hooked()
    world.codes["seed"] = 3
    result = await world.up(wanted(post_start=(SEED, WARM)))
    (db, web) = [item for item in result.services if item.service.name in {"db", "web"}]
    assert db.failure is not None
    assert db.failure.reason == "failed: its post_start hook 'seed now' exited with code 3"
    assert db.failure.log_tail == ("one", "two")
    assert db.waited_for_by == ("web",)
    assert web.failure is None
    assert world.ran == ["seed now"]
    assert "web" not in world.named(ServiceStarted)


async def test_a_hook_of_an_instance_that_has_ended_could_not_run() -> None:
    world = Hooked()
    world.engine.scripts["db"] = Script(exit_after=0.0, exit_code=1)
    result = await world.up(wanted(post_start=(SEED,)))
    failure = next(item.failure for item in result.services if item.service.name == "db")
    assert failure is not None
    assert failure.reason == "failed: its post_start hook 'seed now' could not run"
    assert failure.log_tail[-1].endswith("is not running")


async def test_a_hook_that_does_not_end_is_bounded_by_the_timeout() -> None:
    world = Hooked()
    world.hangs = True
    result = await world.up(wanted(post_start=(SEED,)), timeout=7.0)
    failure = next(item.failure for item in result.services if item.service.name == "db")
    assert failure is not None
    assert failure.reason == "failed: its post_start hook 'seed now' did not end within 7 s after the first start"


@pytest.mark.parametrize("way", ["down", "stop", "restart", "replace", "gone"])
async def test_a_hook_runs_before_each_stop(way: str) -> None:
    world = Hooked()
    before = wanted(pre_stop=(LEAVE,))
    await world.up(before)
    world.engine.faults.calls.clear()
    match way:
        case "down":
            await world.down()
        case "stop":
            await stop(world.engine, world.project, ("db",), clock=world.clock, sink=world.events.append)
        case "restart":
            await restart(world.engine, world.project, before, ("db",), clock=world.clock, sink=world.events.append)
        case "replace":
            await world.up(wanted(pre_stop=(LEAVE,), environment={"A": "1"}))
        case _:
            await world.up(stack(service("web")))
    assert world.ran == ["leave"]
    calls = world.order()
    assert calls.index("exec") < calls.index("stop") or way == "down"
    assert "db" in world.named(Stopping)


async def test_an_instance_is_stopped_after_its_hook_even_if_that_fails() -> None:
    world = Hooked()
    world.codes["leave"] = 2
    await world.up(wanted(pre_stop=(LEAVE, WARM)))
    result = await world.down()
    assert result.left == ()
    assert world.ran == ["leave", "warm"]
    (told,) = [event for event in world.events if isinstance(event, Notice) and event.warning]
    assert told.message == "db: its pre_stop hook 'leave' exited with code 2: two"


async def test_what_does_not_run_has_no_hook() -> None:
    world = Hooked()
    await world.up(wanted(pre_stop=(LEAVE,)))
    await stop(world.engine, world.project, ("db",), clock=world.clock, sink=world.events.append)
    world.ran.clear()
    await world.down()
    assert world.ran == []


@pytest.mark.parametrize("text", ["", "nonsense", "{}", '[{"command": 1}]', '[{"commando": []}]', "[1]"])
def test_a_label_that_something_else_wrote_is_no_hook(text: str) -> None:
    labels = {LABEL_PRE_STOP: text}
    seen = ObservedInstance(id="1", name="1", service="db", index=1, state=State.RUNNING, config_hash="", labels=labels)
    assert pre_stop_of(seen) == ()
