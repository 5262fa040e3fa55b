"""``devenv open``: finds the URL of a service, trace, run or the trace backend."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from devenv.app.environment.lifecycle import require_service
from devenv.app.load.history import store
from devenv.app.session import Running, running
from devenv.app.urls import entrypoint_url, require_backend
from devenv.errors import UsageError

if TYPE_CHECKING:
    from devenv.app.invocation import Invocation

_TRACE_ID = re.compile(r"[0-9a-fA-F]{16}|[0-9a-fA-F]{32}")


async def target_url(invocation: Invocation, target: str) -> str:
    """Find the URL of ``jaeger``, a service, a trace ID or a run ID.

    ``jaeger`` is the search for the last run's traces if there is a run, else the UI's search page.

    Raises:
        NotUp: If the project is not running.
        UnknownName: If it is none of these.
        UsageError: If the service does not publish a port.
    """
    async with running(invocation) as project:
        if target == "jaeger":
            return await _jaeger(project, invocation)
        known = {instance.service for instance in project.observed.instances}
        if target not in known and _TRACE_ID.fullmatch(target):
            return (await require_backend(project)).query_url + f"/trace/{target.lower()}"
        run = store(invocation).document_or_none(target) if target not in known else None
        if run is not None:
            return run.ui_url or await _jaeger(project, invocation)
        require_service(project, target)
        url = entrypoint_url(project.observed, target)
        if url is None:
            raise UsageError(
                f"service {target} does not publish a port", hint="add a port under ports: in the stack file"
            )
        return url


async def _jaeger(project: Running, invocation: Invocation) -> str:
    """The last run's search if its traces are in the running backend, else the search page."""
    backend = await require_backend(project)
    last = store(invocation).latest()
    if last is not None and last.ui_url and last.ui_url.startswith(backend.query_url + "/"):
        return last.ui_url
    return backend.query_url + "/search"
