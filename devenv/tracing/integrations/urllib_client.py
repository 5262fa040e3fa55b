"""urllib.request: a client span for each request of an opener, also for each redirect.

A call outside a trace is left alone: the health checks of many containers are calls of `urllib.request` in a process
that does nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.request import (
    AbstractBasicAuthHandler,
    AbstractDigestAuthHandler,
    AbstractHTTPHandler,
    HTTPRedirectHandler,
    Request,
)

from devenv.tracing.clients import NO_CALL, SENDS, ClientCall, begin_call, note_sends
from devenv.tracing.context.ambient import SPAN_KEY, attach, current, detach
from devenv.tracing.process.faults import fault
from devenv.tracing.process.http_connections import connection_of
from devenv.tracing.process.patching import replace

_LIBRARY = "urllib"


def instrument() -> None:
    """Trace every opener of the process."""
    replace(AbstractHTTPHandler, "do_open", _opening)
    replace(HTTPRedirectHandler, "redirect_request", _redirecting)
    replace(AbstractBasicAuthHandler, "retry_http_basic_auth", _retrying)
    replace(AbstractDigestAuthHandler, "retry_http_digest_auth", _retrying)


def _redirecting(original: Callable[..., Any]) -> Callable[..., Any]:
    def redirect_request(self: HTTPRedirectHandler, req: Request, *args: Any, **options: Any) -> Any:
        made = original(self, req, *args, **options)
        if isinstance(made, Request):
            note_sends(_LIBRARY, made, getattr(req, SENDS, 0) + 1)
        return made

    return redirect_request


def _retrying(original: Callable[..., Any]) -> Callable[..., Any]:
    """Count a request that is sent again with its credentials; not the program's own further use of the same object."""

    def retry(self: Any, *args: Any, **options: Any) -> Any:
        req = next((value for value in (*args, *options.values()) if isinstance(value, Request)), None)
        if req is None:
            return original(self, *args, **options)
        before = getattr(req, SENDS, 0)
        note_sends(_LIBRARY, req, before + 1)
        try:
            return original(self, *args, **options)
        finally:
            note_sends(_LIBRARY, req, before)

    return retry


def _opening(original: Callable[..., Any]) -> Callable[..., Any]:
    def do_open(self: AbstractHTTPHandler, http_class: Any, request: Request, **options: Any) -> Any:
        call, added = _begin(request)
        if call is NO_CALL:
            return original(self, http_class, request, **options)
        token = attach(call.below())
        try:
            response = original(self, http_class, request, **options)
        except BaseException as error:
            call.failed(error)
            raise
        else:
            call.answered(response.status, response.headers, connection_of, response)
            return response
        finally:
            detach(token)
            call.end()
            _remove(request, added)

    return do_open


def _begin(request: Request) -> tuple[ClientCall, list[str]]:
    """Return the call and the names of the headers that are added to the program's request, until its response."""
    call, added = NO_CALL, {}
    try:
        if SPAN_KEY in current():
            headers: dict[str, str] = {}
            call = begin_call(_LIBRARY, request.get_method(), request.full_url, headers, getattr(request, SENDS, 0))
            for name, value in headers.items():
                request.add_unredirected_header(name, value)
            added = headers
    except Exception as error:  # noqa: BLE001 - logged
        fault(_LIBRARY, error)
    return call, [name.capitalize() for name in added]


def _remove(request: Request, names: list[str]) -> None:
    try:
        for name in names:
            request.unredirected_hdrs.pop(name, None)
    except Exception as error:  # noqa: BLE001 - logged
        fault(_LIBRARY, error)
