"""``devenv open``: the URL of what the user names."""

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
    """URL for ``jaeger``, a service, a trace id or a run id.

    ``jaeger`` is the search of the last run's traces where there is one, else the UI's search page.

    Raises:
        NotUp: the project is not up.
        UnknownName: it is none of these.
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
            raise UsageError(f"{target} publishes no port", hint="add one to ports: in the stack file")
        return url


async def _jaeger(project: Running, invocation: Invocation) -> str:
    """The last run's search if it was made against the backend that is up now, else the search page."""
    backend = await require_backend(project)
    last = store(invocation).latest()
    if last is not None and last.ui_url and last.ui_url.startswith(backend.query_url + "/"):
        return last.ui_url
    return backend.query_url + "/search"
