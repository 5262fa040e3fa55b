"""``devenv exec``: a command in a running service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.app.environment.lifecycle import require_service
from devenv.app.session import running
from devenv.errors import NotUp
from devenv.model.state import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devenv.app.invocation import Invocation


async def exec_in(invocation: Invocation, service: str, command: Sequence[str], *, tty: bool, index: int = 1) -> int:
    """Run ``command`` in instance ``index`` with this terminal attached and return its exit code.

    Raises:
        NotUp: If the project or that instance is not running.
        UnknownName: If the project has no such service.
    """
    async with running(invocation) as project:
        require_service(project, service)
        for instance in project.observed.of(service):
            if instance.index == index and instance.state is State.RUNNING:
                return await project.engine.exec_attached(instance.id, command, tty=tty)
    raise NotUp(f"{service} (instance {index}) is not running", hint=f"see `devenv logs {service}`")
