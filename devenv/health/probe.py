"""Probes of one instance: commands in it, and its output."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import field
from typing import Protocol

from devenv.contract.engine import InstanceAccess
from devenv.errors import EngineRefused
from devenv.immutable import immutable

ANSWER_LENGTH = 300
"""Characters of an answer that are kept for the failure block."""

ANSWER_HEAD = 80
"""Of these, characters from the begin of a longer one; the rest are from its end: a traceback ends with the error."""


@immutable()
class Answer:
    """One answer of a probe; ``text`` is one line for people."""

    ok: bool
    text: str


class Probe(Protocol):
    """Asks whether an instance is ready.

    Attributes:
        description: what is asked, in one clause.
        costly: asking costs CPU in the instance (exec), so the waiter spaces the questions out.
    """

    @property
    def description(self) -> str:
        """The probe in one clause."""
        ...

    @property
    def costly(self) -> bool:
        """Whether asking costs so much that the waiter has to space the questions out."""
        ...

    async def ask(self) -> Answer:
        """Ask once; never raises for an instance that is merely not ready."""
        ...

    async def close(self) -> None:
        """Give up what is held open between questions."""
        ...


def one_line(text: str) -> str:
    """``text`` as one line of at most :data:`ANSWER_LENGTH` characters: its begin and its end, which says why."""
    joined = " ".join(text.split())
    if len(joined) <= ANSWER_LENGTH:
        return joined
    return f"{joined[:ANSWER_HEAD]} … {joined[-(ANSWER_LENGTH - ANSWER_HEAD - 3) :]}"


def shell_command(test: Sequence[str]) -> tuple[str, ...]:
    """The argument list that a Compose healthcheck test (``CMD …`` or ``CMD-SHELL line``) stands for."""
    kind, *rest = test
    if kind == "CMD":
        return tuple(rest)
    if kind == "CMD-SHELL":
        return ("/bin/sh", "-c", " ".join(rest))
    return tuple(test)


_REFUSED = re.compile(r"(?i)refused")
_LOCALHOST = ("/bin/sh", "-c", "getent ahosts localhost || grep -w localhost /etc/hosts")


@immutable()
class ExecProbe:
    """Runs a command in the instance; exit code 0 is ready.

    If a connection to ``localhost`` is refused, the answer names the addresses that this is in the instance: a service
    that listens on 127.0.0.1 alone refuses ::1.

    Attributes:
        command: argument list.
        timeout: seconds that one run may take; the answer is negative after it.
    """

    target: InstanceAccess
    instance_id: str
    command: tuple[str, ...]
    timeout: float
    _localhost: list[str] = field(default_factory=list)

    @property
    def description(self) -> str:
        """The probe in one clause."""
        shown = self.command[2:] if self.command[:2] == ("/bin/sh", "-c") else self.command
        return one_line(f"exec {' '.join(shown)}")

    @property
    def costly(self) -> bool:
        """An exec costs 70 to 130 ms of CPU."""
        return True

    async def ask(self) -> Answer:
        """Run the command once."""
        try:
            async with asyncio.timeout(self.timeout):
                result = await self.target.exec(self.instance_id, self.command)
        except TimeoutError:
            return Answer(False, f"did not finish within {self.timeout:g} s")
        except EngineRefused as error:
            # The instance may have ended in between; the waiter's exit notice tells that apart.
            return Answer(False, one_line(error.message))
        output = one_line(result.output.decode(errors="replace"))
        if result.exit_code == 0:
            return Answer(True, output or "exit code 0")
        text = f"exit code {result.exit_code}" + (f": {output}" if output else "")
        if _REFUSED.search(output) and any("localhost" in word for word in self.command):
            text += await self._about_localhost()
        return Answer(False, text)

    async def _about_localhost(self) -> str:
        """What the name is in the instance, if it may be an IPv6 address; asked once."""
        if not self._localhost:
            try:
                async with asyncio.timeout(self.timeout):
                    result = await self.target.exec(self.instance_id, _LOCALHOST)
            except (TimeoutError, EngineRefused):
                return ""
            lines = result.output.decode(errors="replace").splitlines()
            self._localhost[:] = dict.fromkeys(line.split()[0] for line in lines if line.strip()) or ["?"]
        if "::1" not in self._localhost:
            return ""
        return f" (localhost is {' and '.join(self._localhost)} there; to ask IPv4 alone, write 127.0.0.1)"

    async def close(self) -> None:
        """Nothing is held open."""


class LogProbe:
    """Follows the output; ready as soon as a line matches ``pattern`` (searched, not anchored).

    Args:
        since: seconds since the epoch; older lines, of an earlier start, do not count. ``None``: all count.
        follow: whether to wait for further lines; else what is there is read once.
    """

    def __init__(
        self, target: InstanceAccess, instance_id: str, pattern: str, *, since: float | None, follow: bool = True
    ) -> None:
        self._target = target
        self._instance_id = instance_id
        self._pattern = re.compile(pattern)
        self._since = since
        self._follow = follow
        self._last_line = ""
        self._matched = False
        self._reader: asyncio.Task[None] | None = None

    @property
    def description(self) -> str:
        """The probe in one clause."""
        return one_line(f"output line matching {self._pattern.pattern!r}")

    @property
    def costly(self) -> bool:
        """Looking at what the reader found costs nothing."""
        return False

    async def ask(self) -> Answer:
        """Whether a line has matched so far; the answer shows the line seen last."""
        if not self._follow:
            await self._read()
        elif self._reader is None or (self._reader.done() and not self._matched):
            if self._reader is not None:
                self._reader.result()  # an engine that is lost must not look like silence
            self._reader = asyncio.create_task(self._read(), name=f"log probe {self._instance_id[:12]}")
            await asyncio.sleep(0)
        shown = one_line(self._last_line)
        if self._matched:
            return Answer(True, shown)
        return Answer(False, f"no match yet; last line: {shown}" if shown else "no output yet")

    async def _read(self) -> None:
        lines = self._target.logs(self._instance_id, follow=self._follow, since=self._since)
        try:
            begun: dict[str, str] = {}
            async for line in lines:
                self._last_line = line.text if not line.continues else begun.get(line.stream, "") + line.text
                begun[line.stream] = self._last_line
                if self._pattern.search(self._last_line):
                    self._matched = True
                    return
        finally:
            if isinstance(lines, AsyncGenerator):
                await lines.aclose()

    async def close(self) -> None:
        """Stop following."""
        if self._reader is not None and not self._reader.done():
            self._reader.cancel()
            await asyncio.wait([self._reader])
