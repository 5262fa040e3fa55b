"""Reading the stack for a command: once, and never in the way of Ctrl-C."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from devenv.app import invocation as reading
from devenv.app.environment import doctor, down, up
from devenv.app.environment.stacks import resolved
from devenv.app.invocation import Invocation
from devenv.app.load import load
from devenv.clock import SystemClock
from devenv.events import ignore
from devenv.load.options import LoadOptions
from devenv.orchestrate.down import DownOptions
from devenv.orchestrate.up import UpOptions
from devenv.stack import assembly

Command = Callable[[Invocation], Awaitable[object]]

COMMANDS: dict[str, Command] = {
    "up": lambda invocation: up.plan(invocation, UpOptions(), sink=ignore),
    "down": lambda invocation: down.down(invocation, DownOptions(), clock=SystemClock(), sink=ignore),
    "doctor": doctor.doctor,
    "load": lambda invocation: load.load(
        invocation,
        LoadOptions(rps=1.0, duration=1.0, target="http://127.0.0.1:9/", scenario="x"),
        clock=SystemClock(),
        sink=ignore,
        stop=asyncio.Event(),
    ),
}


@pytest.fixture
def project(tmp_path: Path) -> Invocation:
    (tmp_path / "compose.yaml").write_text("services: {web: {image: web, x-devenv: {process: {command: web}}}}\n")
    return Invocation(directory=tmp_path, engine="process")


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A file system that does not respond; set as soon as a command reads from it."""
    asked, end = threading.Event(), threading.Event()

    def read(*_: object) -> None:
        asked.set()
        end.wait()

    monkeypatch.setattr(reading, "read_stack", read)
    yield asked
    end.set()


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
async def test_a_file_system_that_does_not_respond_holds_nothing_up(
    project: Invocation, stuck: threading.Event, command: Command
) -> None:
    task = asyncio.ensure_future(command(project))
    assert await asyncio.to_thread(stuck.wait, 5), "the loop runs on"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):
            await task


def test_origins_read_the_stack_once(project: Invocation, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    load_ = assembly.load

    def counted(files: object, **options: object) -> object:
        calls.append(files)
        return load_(files, **options)  # type: ignore[arg-type] - as the caller gave them

    monkeypatch.setattr(assembly, "load", counted)
    document = resolved(project, origins=True)
    assert len(calls) == 1
    assert document.origins["services.web.image"].endswith("compose.yaml:1:25")
    assert document.config == resolved(project).config
