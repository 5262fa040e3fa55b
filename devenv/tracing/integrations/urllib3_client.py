"""urllib3: a client span for each request that a pool sends, also for each redirect and each retry."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from opentelemetry.context import Context
from urllib3.connectionpool import HTTPConnectionPool

from devenv.tracing.clients import DEFAULT_PORTS, NO_CALL, ClientCall, begin_call
from devenv.tracing.context.ambient import attach, current, detach
from devenv.tracing.context.suppression import is_http_suppressed
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace
from devenv.tracing.process.versions import SLOTS

_LIBRARY = "urllib3"


def instrument() -> None:
    """Trace every pool of the process; nothing below a library that is traced itself, such as requests."""
    replace(HTTPConnectionPool, "urlopen", _opening)


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
        before = _before(history) if history else None
        outside = None if before is None else attach(before.context)
        try:
            call, sent = _begin(self, method, url, headers, len(history) if history else 0)
            if call is NO_CALL:
                return original(self, method, url, body, headers, *args, **options)
            return _send(call, original, self, method, url, body, sent, *args, **options)
        finally:
            if outside is not None:
                detach(outside)

    return urlopen


def _send(call: ClientCall, original: Callable[..., Any], *args: Any, **options: Any) -> Any:
    attempt = _Attempt(call, current())
    sending = _attempt.set(attempt)
    token = attach(call.below())
    try:
        response = original(*args, **options)
    except BaseException as error:
        if not attempt.over:
            call.failed(error)
        raise
    else:
        if not attempt.over:
            call.answered(response.status, response.headers)
        return response
    finally:
        detach(token)
        _attempt.reset(sending)
        call.end()


@dataclass(eq=False, **SLOTS)
class _Attempt:
    """A request on its way: a pool sends the next one, a retry or a redirect, before it returns.

    Attributes:
        call: Its call.
        context: The context in which it was made.
        over: Whether the next one has been sent.
    """

    call: ClientCall
    context: Context
    over: bool = False


_attempt: ContextVar[_Attempt | None] = ContextVar("devenv.tracing.urllib3", default=None)


def _before(history: Any) -> _Attempt | None:
    """End the attempt that is repeated now, with what urllib3 says of it; None if it is not one of ours."""
    attempt = _attempt.get()
    if attempt is None or attempt.over or not attempt.call.span.is_recording():
        return None
    attempt.over = True
    try:
        last = history[-1]
        if last.error is not None:
            attempt.call.failed(last.error)
        elif last.status is not None:
            attempt.call.answered(last.status)
    except Exception as error:  # noqa: BLE001 - logged
        fault(_LIBRARY, error)
    attempt.call.end()
    return attempt


def _begin(pool: HTTPConnectionPool, method: str, url: str, headers: Any, resends: int) -> tuple[ClientCall, Any]:
    """Return the call and its headers, a copy: the given ones may belong to the pool, and serve further calls."""
    try:
        if is_http_suppressed(current()):
            return NO_CALL, headers
        given = pool.headers if headers is None else headers
        sent: MutableMapping[str, str] = given.copy() if hasattr(given, "copy") else dict(given)
        return begin_call(_LIBRARY, method, _Url(pool, url), sent, resends), sent
    except Exception as error:  # noqa: BLE001 - logged
        fault(_LIBRARY, error)
        return NO_CALL, headers


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
