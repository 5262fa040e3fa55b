"""Tornado's `AsyncHTTPClient`: a client span for each fetch, with its redirects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from devenv.tracing.clients import NO_CALL, ClientCall, begin_call
from devenv.tracing.context.ambient import attach, detach
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace
from devenv.tracing.process.stock import taken

_LIBRARY = "tornado's client"
_NO_RESPONSE = 599


def instrument() -> None:
    """Trace every client of the process that is implemented in Python."""
    from tornado.simple_httpclient import SimpleAsyncHTTPClient

    if not taken("tornado"):
        replace(SimpleAsyncHTTPClient, "fetch_impl", _make_fetch)


def instrument_curl() -> None:
    """Trace every client of the process that uses libcurl."""
    from tornado.curl_httpclient import CurlAsyncHTTPClient

    if not taken("tornado"):
        replace(CurlAsyncHTTPClient, "fetch_impl", _make_fetch)


def _make_fetch(original: Callable[..., None]) -> Callable[..., None]:
    def fetch_impl(self: Any, request: Any, callback: Callable[[Any], None]) -> None:
        call, given = _begin(request)
        if call is NO_CALL:
            original(self, request, callback)
            return

        def responded(response: Any) -> None:
            _end(call, given, request, response)
            callback(response)

        token = attach(call.below())
        try:
            original(self, request, responded)
        except BaseException as error:
            call.failed(error)
            call.end()
            raise
        finally:
            detach(token)

    return fetch_impl


def _begin(request: Any) -> tuple[ClientCall, Any]:
    """Start the span of a fetch; also returns the headers that the request had before. Does not raise."""
    try:
        from tornado.httputil import HTTPHeaders

        given = request.headers
        headers = HTTPHeaders(given)
        call = begin_call(_LIBRARY, request.method, request.url, headers)
        if call is not NO_CALL:
            request.request.headers = headers
    except Exception as error:  # noqa: BLE001 - logged
        fault(_LIBRARY, error)
        return NO_CALL, None
    return call, given


def _end(call: ClientCall, given: Any, request: Any, response: Any) -> None:
    """Record the response, and give the program's request its own headers back; does not raise."""
    try:
        request.request.headers = given  # or a second fetch of the same request would send the context of the first
        if response.code == _NO_RESPONSE and response.error is not None:
            call.failed(response.error)
        else:
            call.answered(response.code, response.headers)
    except Exception as error:  # noqa: BLE001 - logged
        fault(_LIBRARY, error)
    call.end()
