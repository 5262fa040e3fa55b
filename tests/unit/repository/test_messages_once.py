"""No message says anything twice, such as "no Docker engine: no Docker engine at …".

An error that is part of another sentence gives its bare reason for that (`NotStarted.reason`, `answer_of`). The modules
that put a whole message into another one are listed here, with those sentences.
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from orchestration import World, service, stack

import devenv
from devenv.app import engines
from devenv.app.invocation import Invocation
from devenv.contract.answers import ExitStatus
from devenv.engine.docker import builds, instances
from devenv.engine.docker.translation import answer_of, pull_error, refused, silent
from devenv.errors import DevenvError, EngineRefused, NotStarted
from devenv.health.exits import Exits
from devenv.model.identity import identify
from devenv.testing import FakeClock

ANSWERS = {
    'failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: '
    'unable to start container process: exec: "nosuch": executable file not found in $PATH: unknown':
        'exec: "nosuch": executable file not found in $PATH',
    "error while creating mount source path '/nosuch': mkdir /nosuch: read-only file system":
        "error while creating mount source path '/nosuch': mkdir /nosuch: read-only file system",
    "cannot start a container that has no command": "cannot start a container that has no command",
}  # fmt: skip
"""What Docker said, and what is told of it."""


def repeated(text: str) -> set[tuple[str, ...]]:
    """Every three words that a text has twice, whatever is between them."""
    words = text.casefold().replace(":", "").split()
    triples = [tuple(words[n : n + 3]) for n in range(len(words) - 2)]
    return {triple for triple in triples if triples.count(triple) > 1}


class Connection:
    """Docker, which refuses to start a container of web."""

    def __init__(self, answer: str) -> None:
        self.answer = answer

    async def call(self, _: object, *, doing: str) -> Any:
        if doing.startswith("inspecting"):
            return {"Config": {"Labels": {"devenv.service": "web"}}, "Name": "/shop-web-1"}
        raise refused(doing, self.answer, 500)


async def start_error(answer: str) -> EngineRefused:
    with pytest.raises(NotStarted) as caught:
        await instances.start(Connection(answer), "0123456789ab")  # type: ignore[arg-type]  # a stand-in
    return caught.value


@pytest.mark.parametrize("answer", ANSWERS)
async def test_a_container_that_docker_cannot_start(answer: str) -> None:
    """In the message of the engine, and in the block of `up`."""
    error = await start_error(answer)
    assert error.message == f"cannot start web: {ANSWERS[answer]}"
    world = World()
    world.engine.faults.fail("start", error)
    (result,) = [item for item in (await world.up(stack(service("web")))).services if item.service.name == "web"]
    assert result.failure is not None
    assert result.failure.reason == f"could not start: {ANSWERS[answer]}"


async def test_an_instance_that_another_service_names() -> None:
    """The name in the message of an error need not be that of the service in its own file."""
    world = World()
    world.engine.faults.fail("start", NotStarted("web-1", "exec: nosuch: not found"))
    (result,) = [item for item in (await world.up(stack(service("web")))).services if item.service.name == "web"]
    assert result.failure is not None
    assert result.failure.reason == "could not start: exec: nosuch: not found"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (ExitStatus(exit_code=127, error="exec: nosuch: not found"), "could not start: exec: nosuch: not found"),
        (ExitStatus(exit_code=137, lost="was removed"), "was removed"),
    ],
)
async def test_an_instance_that_ends_while_it_is_waited_for(status: ExitStatus, reason: str) -> None:
    class Target:
        async def wait(self, _: str) -> ExitStatus:
            return status

    exits = Exits(Target(), "web-1", service("web", restart="always"), FakeClock())  # type: ignore[arg-type]  # waits only
    assert (await exits.until_final(completes=False)).reason == reason


def pull(error: DevenvError) -> DevenvError:
    return pull_error("shop:1", answer_of(error))


def build(error: DevenvError) -> DevenvError:
    return builds._failure("shop:1", answer_of(error), deque())


@pytest.mark.parametrize("wrapped", [pull, build])
@pytest.mark.parametrize("answer", ["toomanyrequests: rate limit", "dockerfile parse error", "no space left on device"])
def test_what_docker_says_of_an_image(wrapped: Callable[[DevenvError], DevenvError], answer: str) -> None:
    doing = {pull: "pulling shop:1", build: "building shop:1"}[wrapped]
    message = wrapped(refused(doing, answer, 500)).message
    assert message.count("shop:1") == 1
    assert message.endswith(answer)


@pytest.mark.parametrize(
    "error",
    [
        silent("asking", FileNotFoundError(2, "No such file or directory"), address="unix:///nosuch", answered=False),
        silent("asking", PermissionError(13, "Permission denied"), address="unix:///nosuch", answered=False),
        silent("asking", ConnectionResetError(104, "reset"), address="unix:///nosuch", answered=True),
    ],
    ids=["absent", "forbidden", "lost"],
)
async def test_the_reason_for_the_process_engine(
    error: DevenvError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def connect(name: str, *_: object) -> object:
        if name == "docker":
            raise error
        return object()

    monkeypatch.setattr(engines, "connect", connect)
    choice = await engines.choose(Invocation(directory=tmp_path), identify(tmp_path), stack=None, recorded=None)
    assert choice.reason == f"process: {error.message}"
    assert not repeated(choice.reason)


WRAPPERS = {
    "app/environment/log_lines/sent_feed.py": "no log records are shown: {}",
    "app/environment/log_lines/sent_lines.py": "only captured output is shown: {}",
    "app/environment/down.py": "{} runs on the {} engine, which does not respond: {}",
    "app/environment/port_checks.py": "not checked: {}",
    "app/traces/lookup.py": "no traces are shown until it answers: {}",
    "engine/process/engine.py": "was lost: {}",
    "stack/documents/sources.py": "{}: {}",  # a path, and what is wrong with it
    "stack/readers/service_environment.py": "{} {}: {}",  # a kind of name, its text, and what is wrong with it
    "backend/__main__.py": "{}\n",
    "cli/main.py": "devenv: {}\n",
    "cli/output.py": "devenv: {}",
}
"""Where the whole message of an error is put into another text."""


def wrapping() -> Iterator[tuple[str, str]]:
    """Every f-string with the `message` of an error in it."""
    root = Path(devenv.__file__).parent
    for path in sorted(root.rglob("*.py")):
        name = str(path.relative_to(root))
        for node in ast.walk(ast.parse(path.read_text())) if not name.startswith("tracing/") else ():
            if not isinstance(node, ast.JoinedStr):
                continue
            parts = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
            shown = [ast.unparse(part) for part in parts]
            if any(text.endswith(".message") and not text.startswith(("warning.", "self.")) for text in shown):
                fixed = (str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
                yield name, "".join(fixed)


def test_every_text_around_a_whole_message_is_known() -> None:
    """A new one: take the bare reason instead, or see that the two cannot say the same, and list it."""
    assert dict(wrapping()) == WRAPPERS
    assert not [name for name, text in WRAPPERS.items() if "could not start" in text or "cannot" in text]
