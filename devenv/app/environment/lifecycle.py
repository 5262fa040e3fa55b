"""``devenv stop``, ``start`` and ``restart``; the latter two wait until the services are ready."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from devenv.app.environment.descriptions import failure_documents
from devenv.app.environment.status import status
from devenv.app.invocation import read_stack_in_background
from devenv.app.session import Running, running
from devenv.errors import NEGATIVE_VERDICT, UnknownName
from devenv.suggestions import suggest

if TYPE_CHECKING:
    from devenv.app.invocation import Invocation
    from devenv.clock import Clock
    from devenv.events import Sink
    from devenv.model.documents import FailureDocument, StatusDocument

Verb = Literal["stop", "start", "restart"]
LOCK_WAIT = 60.0


async def change(
    invocation: Invocation, verb: Verb, services: tuple[str, ...], *, timeout: float, clock: Clock, sink: Sink
) -> StatusDocument:
    """Stop, start or restart ``services`` (all if none is named) and return the status afterwards.

    A service that does not become ready is a negative verdict; ``failures`` of the document holds the reason.

    Raises:
        NotUp: If the project has no instances.
        UnknownName: If a service is not part of the running project.
    """
    from devenv.orchestrate import lifecycle
    from devenv.orchestrate.lock import project_lock

    failures: list[FailureDocument] = []
    async with running(invocation) as project:
        _check_names(project, services)
        async with project_lock(project.project, verb, wait=LOCK_WAIT, clock=clock, sink=sink):
            if verb == "stop":
                await lifecycle.stop(project.engine, project.project, services, clock=clock, sink=sink)
            else:
                stack = (await read_stack_in_background(invocation, services)).stack
                act = lifecycle.start if verb == "start" else lifecycle.restart
                results = await act(
                    project.engine, project.project, stack, services, timeout=timeout, clock=clock, sink=sink
                )
                failures = failure_documents(results)
    document = await status(invocation, clock=clock, usage=False, spans=False)
    return document.model_copy(update={"failures": failures})


def verdict_code(document: StatusDocument) -> int:
    """Return the exit code: 1 if a service that was started did not become ready, else 0."""
    return NEGATIVE_VERDICT if document.failures else 0


def _check_names(project: Running, services: tuple[str, ...]) -> None:
    """Every name has to be a service of the running project."""
    for name in services:
        require_service(project, name)


def require_service(project: Running, name: str) -> None:
    """Raise :class:`UnknownName` with a suggestion if ``name`` is not a service of the running project."""
    known = sorted({instance.service for instance in project.observed.instances})
    if name in known:
        return
    hint = suggest(name, known) or f"running services: {', '.join(known)}"
    text = f"no service {name!r} in the running project {project.project.name}"
    raise UnknownName(text, hint=hint, details={"services": known})
