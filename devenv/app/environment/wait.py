"""``devenv wait``: until services are ready or have completed, without a change of anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.app.environment.lifecycle import require_service
from devenv.app.environment.status import is_good, status
from devenv.app.session import running
from devenv.errors import NEGATIVE_VERDICT, TIMED_OUT
from devenv.immutable import immutable
from devenv.model.state import State

if TYPE_CHECKING:
    from devenv.app.invocation import Invocation
    from devenv.clock import Clock
    from devenv.model.documents import ServiceDocument, StatusDocument

PACE = 0.25
"""Seconds between two looks."""

_ENDED = frozenset({State.EXITED, State.DEAD, State.MISSING})


@immutable(kw_only=True)
class Waited:
    """The result of a wait.

    Attributes:
        document: the status of the services that were waited for.
        verdict: for people; empty if all are ready.
        code: exit code: 0; 1 if a service has ended; 4 if the time is over.
    """

    document: StatusDocument
    verdict: str = ""
    code: int = 0


async def wait(invocation: Invocation, services: tuple[str, ...], *, timeout: float, clock: Clock) -> Waited:
    """Wait until each of ``services`` (all if none is named) is ready, or has completed if it is a one-shot.

    Args:
        invocation: the global options.
        services: names.
        timeout: seconds until the wait ends without success.
        clock: paces the looks.

    Raises:
        NotUp: If the project is not running.
        UnknownName: If a service is not part of it.
    """
    async with running(invocation) as project:
        for name in services:
            require_service(project, name)
    deadline = clock.monotonic() + timeout
    while True:
        document = await status(invocation, clock=clock, usage=False, spans=False, elsewhere=False)
        rows = [row for row in document.services if not services or row.name in services]
        document = document.model_copy(update={"services": rows})
        pending = [row for row in rows if not is_good(row)]
        if not pending:
            return Waited(document=document)
        ended = [row for row in pending if row.state in _ENDED]
        if ended:
            return Waited(document=document, verdict=f"{_named(ended)} will not be ready", code=NEGATIVE_VERDICT)
        if clock.monotonic() >= deadline:
            verdict = f"not ready within {timeout:g} s: {_named(pending)}"
            return Waited(document=document, verdict=verdict, code=TIMED_OUT)
        await clock.sleep(PACE)


def _named(rows: list[ServiceDocument]) -> str:
    """The services with what keeps each from being ready."""
    return ", ".join(f"{row.name} ({row.state if row.state != State.RUNNING else row.health})" for row in rows)
