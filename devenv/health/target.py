"""What readiness needs of an engine, stated structurally: every engine satisfies it without being imported here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol


class Address(Protocol):
    """Where a port is reached from this process."""

    @property
    def host(self) -> str:
        """Name or address."""
        ...

    @property
    def port(self) -> int:
        """Port number."""
        ...


class CommandResult(Protocol):
    """Outcome of a command that ran inside an instance."""

    @property
    def exit_code(self) -> int:
        """0 is success."""
        ...

    @property
    def output(self) -> bytes:
        """Stdout and stderr as they came."""
        ...


class Exit(Protocol):
    """How an instance ended."""

    @property
    def exit_code(self) -> int:
        """As the engine says it."""
        ...

    @property
    def oom_killed(self) -> bool:
        """Whether the kernel killed it for lack of memory."""
        ...

    @property
    def error(self) -> str:
        """The engine's own word where the start itself failed."""
        ...


class OutputLine(Protocol):
    """One line of an instance's output."""

    @property
    def text(self) -> str:
        """The line without its end."""
        ...


class Target(Protocol):
    """The part of an engine that probes and waiters use; see :class:`devenv.engine.protocol.Engine`."""

    async def wait(self, instance_id: str) -> Exit:
        """Wait until an instance has ended, and say how."""
        ...

    async def exec(
        self, instance_id: str, command: Sequence[str], *, environment: Mapping[str, str] | None = None
    ) -> CommandResult:
        """Run a command in a running instance."""
        ...

    def logs(
        self,
        instance_id: str,
        *,
        follow: bool = False,
        since: float | None = None,
        tail: int | None = None,
    ) -> AsyncIterator[OutputLine]:
        """Output of an instance, oldest first."""
        ...

    async def endpoint(self, instance_id: str, port: int) -> Address | None:
        """Where a port of an instance is reached from here; ``None``: only by a published port."""
        ...
