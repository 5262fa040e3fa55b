"""What goes wrong at the fake engine on purpose: errors, delays, and the death of devenv between two calls."""

from __future__ import annotations

from dataclasses import dataclass, field

from devenv.clock import Clock
from devenv.errors import DevenvError, EngineLost

MUTATING = frozenset(
    {"pull", "build", "create_network", "create_volume", "create", "start", "stop", "kill", "remove"}
    | {"remove_network", "remove_volume"}
)


class Crashed(BaseException):
    """Devenv was killed here (SIGKILL): nothing may handle it but the test."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call that the engine got; ``target`` is the name or id of what it is about."""

    method: str
    target: str


@dataclass(slots=True)
class _Fault:
    method: str
    target: str | None
    error: DevenvError
    times: int | None


@dataclass(slots=True)
class Faults:
    """Faults to come, and the calls so far.

    Attributes:
        delays: virtual seconds by method.
        lost: every call fails as if the engine were gone.
    """

    clock: Clock
    calls: list[Call] = field(default_factory=list)
    delays: dict[str, float] = field(default_factory=dict)
    lost: bool = False
    _faults: list[_Fault] = field(default_factory=list)
    _crash_at: int | None = None
    _crash_after: bool = False
    _mutations: int = 0

    @property
    def mutations(self) -> int:
        """How many calls so far could change something; crash points are numbered by them, from 1."""
        return self._mutations

    def fail(self, method: str, error: DevenvError, *, target: str | None = None, times: int | None = 1) -> None:
        """Let ``method`` raise ``error`` the next ``times`` times (``None``: always), for ``target`` only if given."""
        self._faults.append(_Fault(method, target, error, times))

    def crash_at(self, mutation: int, *, after: bool = False) -> None:
        """Raise :class:`Crashed` at the ``mutation``-th changing call, before or after it takes effect."""
        self._crash_at, self._crash_after, self._mutations = mutation, after, 0

    def heal(self) -> None:
        """No more faults: the next devenv process begins."""
        self._faults.clear()
        self._crash_at = None
        self.lost = False

    async def enter(self, method: str, target: str) -> None:
        """Called first by each method."""
        self.calls.append(Call(method, target))
        if self.lost:
            raise EngineLost("the engine no longer answers", hint="see whether it still runs")
        if method in MUTATING:
            self._mutations += 1
            self._crash(after=False)
        if method in self.delays:
            await self.clock.sleep(self.delays[method])
        for fault in list(self._faults):
            if fault.method == method and fault.target in (None, target):
                self._use(fault)
                raise fault.error

    def leave(self, method: str) -> None:
        """Called last by each method that changes something."""
        if method in MUTATING:
            self._crash(after=True)

    def _crash(self, *, after: bool) -> None:
        if self._crash_at == self._mutations and self._crash_after is after:
            raise Crashed(f"at changing call {self._mutations}")

    def _use(self, fault: _Fault) -> None:
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                self._faults.remove(fault)
