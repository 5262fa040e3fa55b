"""The ways in which a port of an instance may be reached from this process, and which of them answers."""

from __future__ import annotations

import errno
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from devenv.contract.engine import InstanceAccess
from devenv.errors import EngineRefused
from devenv.health.probe import Answer, one_line

REFRESH_AFTER = 20
"""Failed probes after which the engine is asked for the address again: a restarted container may have another."""

_NO_ROUTE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.ETIMEDOUT})

_ADDRESS = re.compile(r"\('([^']+)', \d+")
"""An address in the text of a connection error, such as ``Connect call failed ('::1', 8000, 0, 0)``."""

Question = Callable[[str, int], Awaitable[Answer]]


@dataclass(slots=True)
class PortRoute:
    """Reaches ``port`` of an instance by the engine's endpoint, else by its published port, else from inside.

    Attributes:
        published: address and port of the host that the stack file gives it; ``None`` if it does not publish it.
        inside: asks from inside the instance, if there is no other way.
    """

    target: InstanceAccess
    instance_id: str
    port: int
    published: tuple[str, int] | None = None
    inside: Callable[[], Awaitable[Answer]] | None = None
    _ways: list[tuple[str, int]] = field(default_factory=list)
    _failed: int = 0

    async def ask(self, question: Question) -> Answer:
        """The answer by the first way that leads anywhere; it is kept for the next time."""
        if not self._ways or self._failed >= REFRESH_AFTER:
            try:
                await self._find_ways()
            except EngineRefused as error:
                # It may have ended in between; the waiter's exit notice tells that apart.
                return Answer(False, one_line(error.message))
        if not self._ways:
            return await self._ask_inside()
        answer = Answer(False, "not probed yet")
        for position, (host, port) in enumerate(list(self._ways)):
            answer, reached = await self._try(question, host, port)
            if reached:
                if position:
                    self._ways.insert(0, self._ways.pop(position))
                break
        self._failed = 0 if answer.ok else self._failed + 1
        return answer

    async def _find_ways(self) -> None:
        endpoint = await self.target.endpoint(self.instance_id, self.port)
        direct = [(endpoint.host, endpoint.port)] if endpoint is not None else []
        published = [self.published] if self.published is not None else []
        self._ways = list(dict.fromkeys([*direct, *published]))
        self._failed = 0

    async def _ask_inside(self) -> Answer:
        if self.inside is None:
            return Answer(False, f"port {self.port} is not reachable from this machine: it is not published")
        return await self.inside()

    async def _try(self, question: Question, host: str, port: int) -> tuple[Answer, bool]:
        """The answer, and whether anything was there to give one."""
        try:
            return await question(host, port), True
        except TimeoutError:
            return Answer(False, f"no answer from {host}:{port} in time"), False
        except OSError as error:
            if _is_refusal(error):
                return Answer(False, f"connection refused by {host}:{port}{_tried(error, host)}"), True
            reached = error.errno not in _NO_ROUTE
            said = error.strerror or str(error) or type(error).__name__
            return Answer(False, one_line(f"{host}:{port}: {said}")), reached


def _is_refusal(error: OSError) -> bool:
    """Whether the connection was refused by each address of the host's name."""
    text = str(error)
    tried = len(_ADDRESS.findall(text))
    return isinstance(error, ConnectionRefusedError) or 0 < tried == text.count(f"[Errno {errno.ECONNREFUSED}]")


def _tried(error: OSError, host: str) -> str:
    """The addresses that were tried, in parentheses, if ``host`` is a name."""
    addresses = dict.fromkeys(_ADDRESS.findall(str(error)))
    return f" ({', '.join(addresses)})" if addresses and host not in addresses else ""
