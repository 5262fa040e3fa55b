"""urllib3: a client span for each call of a pool, its retries included."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any

from urllib3.connectionpool import HTTPConnectionPool

from devenv.tracing.clients import DEFAULT_PORTS, NO_CALL, ClientCall, begin_call
from devenv.tracing.context.ambient import attach, current, detach
from devenv.tracing.context.suppression import is_http_suppressed
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace

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
        call, sent = _begin(self, method, url, headers)
        if call is NO_CALL:
            return original(self, method, url, body, headers, *args, **options)
        token = attach(call.below())
        try:
            response = original(self, method, url, body, sent, *args, **options)
        except BaseException as error:
            call.failed(error)
            raise
        else:
            call.answered(response.status, response.headers)
            return response
        finally:
            detach(token)
            call.end()

    return urlopen


def _begin(pool: HTTPConnectionPool, method: str, url: str, headers: Any) -> tuple[ClientCall, Any]:
    """Return the call and its headers, a copy: the given ones may belong to the pool, and serve further calls."""
    try:
        if is_http_suppressed(current()):
            return NO_CALL, headers
        given = pool.headers if headers is None else headers
        sent: MutableMapping[str, str] = given.copy() if hasattr(given, "copy") else dict(given)
        return begin_call(_LIBRARY, method, _Url(pool, url), sent), sent
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
