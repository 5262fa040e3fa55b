"""``devenv open``: the URL of the trace UI, a service, a trace or a run; links into a closed backend work once."""

from __future__ import annotations

import json
import re
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from devenv.app.environment.lifecycle import require_service
from devenv.app.load.history import store
from devenv.app.session import Running, running
from devenv.app.urls import entrypoint_url, require_backend, trace_backend
from devenv.disk import make_state_directory, remove_file, replace_file
from devenv.errors import BackendUnavailable, UsageError
from devenv.immutable import immutable

if TYPE_CHECKING:
    from pathlib import Path

    from devenv.app.invocation import Invocation
    from devenv.app.urls import BackendAddress

REDIRECT_FILE = "open.html"

_TRACE_ID = re.compile(r"[0-9a-fA-F]{16}|[0-9a-fA-F]{32}")


@immutable(kw_only=True)
class Link:
    """An address; ``secret``: it lets its first user in, so no other user of this machine may see it before."""

    url: str
    secret: bool = False


async def target_link(invocation: Invocation, target: str) -> Link:
    """Find the address of ``jaeger``, a service, a trace ID or a run ID.

    ``jaeger`` is the search for the last run's traces if there is a run, else the UI's search page. If the backend
    wants a token, a link to one of its pages lets a browser in, once and within five minutes.

    Raises:
        NotUp: If the project is not running.
        UnknownName: If it is none of these.
        UsageError: If the service does not publish a port.
        BackendUnavailable: If the backend does not respond, and it wants a token.
    """
    async with running(invocation) as project:
        if target == "jaeger":
            return await _jaeger(project, invocation)
        known = {instance.service for instance in project.observed.instances}
        if target not in known and _TRACE_ID.fullmatch(target):
            backend = await require_backend(project)
            return await _page(backend, f"{backend.query_url}/trace/{target.lower()}")
        run = store(invocation).document_or_none(target) if target not in known else None
        if run is not None and run.ui_url:
            backend_now = await trace_backend(project.engine, project.observed, project.record.trace_backend)
            return await _page(backend_now, run.ui_url)
        if run is not None:
            return await _jaeger(project, invocation)
        require_service(project, target)
        url = entrypoint_url(project.observed, target)
        if url is None:
            raise UsageError(
                f"service {target} does not publish a port", hint="add a port under ports: in the stack file"
            )
        return Link(url=url)


def redirect_file(invocation: Invocation, link: Link) -> Path:
    """Write a page that leads to ``link``, for a browser: its command line, which others see, then names the file only.

    Raises:
        EnvironmentFailure: If it cannot be written.
    """
    path = make_state_directory(invocation.directory / ".devenv") / REDIRECT_FILE
    url = escape(link.url)
    text = (
        f'<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
        f'<meta http-equiv="refresh" content="0; url={url}"><title>devenv</title><a href="{url}">Open the traces</a>\n'
    )
    remove_file(path)
    replace_file(path, text.encode(), durable=False, mode=0o600)
    return path


async def _jaeger(project: Running, invocation: Invocation) -> Link:
    """The last run's search if its traces are in the running backend, else the search page."""
    backend = await require_backend(project)
    last = store(invocation).latest()
    if last is not None and last.ui_url and last.ui_url.startswith(backend.query_url + "/"):
        return await _page(backend, last.ui_url)
    return await _page(backend, backend.query_url + "/search")


async def _page(backend: BackendAddress | None, url: str) -> Link:
    """A page of the backend; if that wants a token, by way of a login that works once."""
    if backend is None or not backend.token or not url.startswith(backend.query_url + "/"):
        return Link(url=url)
    from devenv.traces.http import Authorized, HttpClient, TransportError

    async with HttpClient(backend.query_url) as client:
        try:
            answer = await Authorized(client, backend.token).request("POST", "/api/devenv/links")
            code = json.loads(answer.body)["code"]
        except (TransportError, ValueError, KeyError, TypeError) as error:
            raise BackendUnavailable(
                f"trace backend at {backend.query_url}: it does not return a link: {error}",
                hint="check with `devenv status` that it is running",
            ) from error
    fields = urlencode({"code": code, "next": url.removeprefix(backend.query_url)})
    return Link(url=f"{backend.query_url}/login?{fields}", secret=True)
