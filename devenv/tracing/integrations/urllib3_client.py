"""urllib3: a client span for each request that a pool sends, also for each redirect and each retry."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any

from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from devenv.tracing.clients import DEFAULT_PORTS, NO_CALL, ClientCall, Sending, begin_call, sending, sending_of
from devenv.tracing.context.ambient import attach, current, detach
from devenv.tracing.context.suppression import is_http_suppressed
from devenv.tracing.light.unsampled import UnsampledSpan
from devenv.tracing.process.faults import fault
from devenv.tracing.process.http_connections import peer_of, version_of
from devenv.tracing.process.patching import replace

_LIBRARY = "urllib3"


def instrument() -> None:
    """Trace every pool of the process; below a library that is traced itself (requests), only what is sent again."""
    replace(HTTPConnectionPool, "urlopen", _opening)
    instrument_connections()


def instrument_connections() -> None:
    """Note the peer of each connection that sends a recorded request, for this integration and for that of requests."""
    replace(HTTPConnection, "getresponse", _noting_peer)


def _opening(original: Callable[..., Any]) -> Callable[..., Any]:
    def urlopen(
        self: HTTPConnectionPool,
        method: str,
        url: str,
        body: Any = None,
        headers: Any = None,
        *args: Any,
        **options: Any,
    ) -> Any:
        retries = args[0] if args else options.get("retries")
        history = getattr(retries, "history", None)
        if history:
            attempts = sending.get()
            if attempts is not None:
                return _send_again(attempts, history, original, self, method, url, body, headers, *args, **options)
        call, sent = _begin(self, method, url, headers, len(history) if history else 0)
        if call is NO_CALL:
            return original(self, method, url, body, headers, *args, **options)
        return _send(call, original, self, method, url, body, sent, *args, **options)

    return urlopen


def _send(call: ClientCall, original: Callable[..., Any], *args: Any, **options: Any) -> Any:
    attempts = None if call.span.__class__ is UnsampledSpan and not call.watched else sending_of(_LIBRARY, call)
    if attempts is not None:
        return _send_recorded(attempts, original, *args, **options)
    token = attach(call.below())
    try:
        response = original(*args, **options)
    except BaseException as error:
        call.failed(error)
        raise
    else:
        call.answered(response.status)
        return response
    finally:
        detach(token)
        call.end()


def _send_recorded(attempts: Sending, original: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Send a request; for a retry or a redirect the pool calls itself before it returns."""
    present = sending.set(attempts)
    token = attach(attempts.call.below())
    try:
        response = original(*args, **options)
    except BaseException as error:
        attempts.call.failed(error, attempts.peer)
        raise
    else:
        attempts.call.answered(response.status, response.headers, connected, attempts)
        return response
    finally:
        detach(token)
        sending.reset(present)
        attempts.call.end()


def _send_again(
    attempts: Sending,
    history: Any,
    original: Callable[..., Any],
    pool: HTTPConnectionPool,
    method: str,
    url: str,
    body: Any,
    headers: Any,
    *args: Any,
    **options: Any,
) -> Any:
    """Send a request once more: what is recorded of the time before is what urllib3 says of it."""
    token = None
    try:
        last = history[-1]
        if last.error is not None:
            attempts.call.failed(last.error, attempts.peer)
        elif last.status is not None:
            attempts.call.answered(last.status, None, connected, attempts)
        headers = _copied(pool, headers)
        token = attempts.again(method, _Url(pool, url), headers, len(history))
    except Exception as error:  # noqa: BLE001 - logged
        fault(_LIBRARY, error)
    try:
        return original(pool, method, url, body, headers, *args, **options)
    finally:
        if token is not None:
            detach(token)


def _noting_peer(original: Callable[..., Any]) -> Callable[..., Any]:
    def getresponse(self: HTTPConnection) -> Any:
        attempts = sending.get()
        if attempts is None:
            return original(self)
        attempts.peer = peer_of(self.sock)
        response = original(self)
        attempts.version = version_of(response.version)
        return response

    return getresponse


def connected(attempts: Sending) -> tuple[str, Any]:
    """Return the version of HTTP and the peer of the connection over which a request was sent."""
    return attempts.version, attempts.peer


def _begin(pool: HTTPConnectionPool, method: str, url: str, headers: Any, resends: int) -> tuple[ClientCall, Any]:
    """Return the call and its headers, a copy: the given ones may belong to the pool, and serve further calls."""
    try:
        if is_http_suppressed(current()):
            return NO_CALL, headers
        sent = _copied(pool, headers)
        return begin_call(_LIBRARY, method, _Url(pool, url), sent, resends), sent
    except Exception as error:  # noqa: BLE001 - logged
        fault(_LIBRARY, error)
        return NO_CALL, headers


def _copied(pool: HTTPConnectionPool, headers: Any) -> MutableMapping[str, str]:
    given = pool.headers if headers is None else headers
    return given.copy() if hasattr(given, "copy") else dict(given)


class _Url:
    """The full URL of a call, put together when it is read: most calls are not recorded."""

    __slots__ = ("_pool", "_url")

    def __init__(self, pool: HTTPConnectionPool, url: str) -> None:
        self._pool = pool
        self._url = url

    def __str__(self) -> str:
        if not self._url.startswith("/"):  # by a proxy
            return self._url
        pool = self._pool
        scheme = str(pool.scheme)
        host = f"[{pool.host}]" if ":" in pool.host and not pool.host.startswith("[") else pool.host
        port = "" if pool.port in {None, DEFAULT_PORTS.get(scheme)} else f":{pool.port}"
        return f"{scheme}://{host}{port}{self._url}"
