"""What a fake instance does: a script per service, or a tiny shell for the commands that contract tests use."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from devenv.clock import Clock
from devenv.contract.answers import Endpoint, ExecResult, ImageConfig
from devenv.errors import DevenvError

Stream = Literal["stdout", "stderr"]
ExecHandler = Callable[[Sequence[str]], ExecResult | Awaitable[ExecResult]]


@dataclass(frozen=True, slots=True)
class FakeImage:
    """An image at the fake engine or its registry."""

    id: str
    config: ImageConfig = field(default_factory=ImageConfig)
    age: float | None = None


@dataclass(slots=True, kw_only=True)
class Script:
    """What the instances of one service do, instead of their command.

    Attributes:
        exit_after: seconds from start to exit; ``None``: runs until stopped.
        exit_code: of that exit.
        oom: that exit is the kernel's, as memory ran out.
        logs: (seconds from start, line) pairs.
        ready_after: seconds from start before which every exec and probe fails; ``None``: never ready.
        exec: answers execs itself.
        start_error: raised by ``start``; counts down ``start_failures`` (``None``: always).
        start_seconds: duration of ``start``.
        ignores_term: only a kill ends it.
        endpoints: answers of ``endpoint`` by container port.
    """

    exit_after: float | None = None
    exit_code: int = 0
    oom: bool = False
    logs: Sequence[tuple[float, str]] = ()
    ready_after: float | None = 0.0
    exec: ExecHandler | None = None
    start_error: DevenvError | None = None
    start_failures: int | None = None
    start_seconds: float = 0.0
    ignores_term: bool = False
    endpoints: Mapping[int, Endpoint] = field(default_factory=dict)


@dataclass(slots=True)
class Shell:
    """Runs the few shell commands that contract tests need: echo, sleep, exit, printenv, cat, true, false.

    Attributes:
        files: what ``cat`` finds.
        term_ignored: ``trap '' TERM`` was run.
    """

    clock: Clock
    environment: Mapping[str, str]
    files: Mapping[str, bytes] = field(default_factory=dict)
    term_ignored: bool = False
    code: int = 0

    async def run(self, command: Sequence[str]) -> AsyncIterator[tuple[Stream, str]]:
        """Yield output lines; :attr:`code` is the exit code afterwards."""
        script = command[2] if list(command[:2]) in (["sh", "-c"], ["/bin/sh", "-c"]) else shlex.join(command)
        for statement in script.split(";"):
            words = shlex.split(statement)
            if not words:
                continue
            if words[0] == "exit":
                self.code = int(words[1])
                return
            async for line in self._statement(words):
                yield line

    async def _statement(self, words: list[str]) -> AsyncIterator[tuple[Stream, str]]:
        stream: Stream = "stdout"
        if words[-1] == ">&2":
            words, stream = words[:-1], "stderr"
        name, *arguments = words
        self.code = 0
        match name:
            case "echo":
                yield stream, " ".join(arguments)
            case "sleep":
                await self.clock.sleep(float("1e9") if arguments == ["infinity"] else float(arguments[0]))
            case "printenv":
                self.code = 0 if arguments[0] in self.environment else 1
                if self.code == 0:
                    yield stream, self.environment[arguments[0]]
            case "cat":
                for line in self.files.get(arguments[0], b"").decode().splitlines():
                    yield stream, line
            case "trap":
                self.term_ignored = arguments == ["", "TERM"]
            case "true":
                pass
            case "false":
                self.code = 1
            case _:
                self.code = 127
                yield "stderr", f"sh: {name}: not found"
