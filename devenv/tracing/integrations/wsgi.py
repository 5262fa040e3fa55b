"""WSGI: a server span for each request (Flask and others)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import Token
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, get_current_span

from devenv.tracing.active import state
from devenv.tracing.context.ambient import attach, detach
from devenv.tracing.light.shared import Shared
from devenv.tracing.process.faults import fault
from devenv.tracing.process.http_names import SERVERS
from devenv.tracing.process.request_origin import PROXY_NAMES, Origin, origin_of
from devenv.tracing.runtime import Tracing
from devenv.tracing.server_side import ROUTE_KEY, ServerSide, answer, described, finish, watch_django
from devenv.tracing.spans import fail

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]

_MARK = "devenv.tracing"
_FAILED = "devenv.tracing.failed"
_PROXY_FIX = "werkzeug.proxy_fix.orig"  # werkzeug's ProxyFix puts the connection's own values there
_PLACE = "a WSGI application"
_OF_THE_BODY = (("content-type", "CONTENT_TYPE"), ("content-length", "CONTENT_LENGTH"))  # without the prefix (PEP 3333)
_PREFIX = "HTTP_"
OF_PROXIES = tuple((name, _PREFIX + name.upper().replace("-", "_")) for name in PROXY_NAMES)


class WSGIMiddleware:
    """WSGI middleware; the span ends when the body has been sent.

    Args:
        app: The application below.
        tracing: The result of `setup`. Default: the tracing that is set up when a request arrives.
        trace_response: Whether to send a `traceresponse` header. Default: from the settings.
        exclude: Paths that are not traced. Default: from the settings.
    """

    def __init__(
        self,
        app: App,
        *,
        tracing: Tracing | None = None,
        trace_response: bool | None = None,
        exclude: Sequence[str] | None = None,
    ) -> None:
        self._app = app
        _watch_flask()
        watch_django()
        self._side = ServerSide(tracing, trace_response, exclude, SERVERS["wsgi"])

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if _MARK in environ:
            if _PROXY_FIX in environ:
                _correct(environ)
            return self._app(environ, start_response)
        environ[_MARK] = None
        try:
            exchange, context = self._begin(environ)
        except Exception as error:  # noqa: BLE001 - logged
            fault(_PLACE, error)
            return self._app(environ, start_response)
        token = attach(context)
        try:
            body = self._app(environ, exchange.starting(start_response))
        except BaseException as error:
            exchange.failed(error)
            exchange.end()
            raise
        finally:
            detach(token)
        return _Body(body, exchange, context)

    def _begin(self, environ: Environ) -> tuple[Exchange, Context]:
        side = self._side
        method = environ.get("REQUEST_METHOD", "GET")
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        # A server joins fields of the same name with a comma, so that two parents are one invalid value.
        if side.foreign is not None:
            fields = side.foreign.translated(_fields(environ))
        else:
            fields = (_field(environ, "TRACEPARENT"), _field(environ, "TRACESTATE"), _field(environ, "BAGGAGE"))
        span, context = side.begin(environ, path, method, *fields, describe)
        environ[_MARK] = span
        return Exchange(span, method, environ, answer(span) if side.answers else None), context


class Exchange:
    """One request: its span, and the status of its response so far.

    Attributes:
        sent: Whether the headers have been sent: an exception does not change the status any more.
    """

    def __init__(self, span: Span, method: str, environ: Environ, header: str | None) -> None:
        self._span = span
        self._method = method
        self._environ = environ
        self._header = header
        self._watches = header is not None or span.is_recording()
        self.sent = False
        self._status = 0
        self._route: str | None = None

    def starting(self, start_response: StartResponse) -> StartResponse:
        """Return what the application calls to start its response."""
        if not self._watches:
            return start_response

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            try:
                code = status.partition(" ")[0]
                self._status = int(code) if code.isdigit() else 0
                self._route = _route(self._environ)  # Flask drops its request before the body is sent
                if state.server_headers is not None and self._span.is_recording():
                    self._span.set_attributes(state.server_headers.response(headers))
                if self._header:
                    headers = [*headers, ("traceresponse", self._header)]
            except Exception as error:  # noqa: BLE001 - logged; the server judges the status
                fault(_PLACE, error)
            self._write = start_response(status, headers, *more)
            return self._writing

        return start

    def _writing(self, part: bytes) -> Any:
        """Send a part of a body that is not returned (PEP 3333); the first one sends the headers."""
        self.sent = True
        return self._write(part)

    def failed(self, error: BaseException) -> None:
        """Record an exception of the application; before the headers are sent, the server responds with 500."""
        try:
            if self._route is None:
                self._route = _route(self._environ)
            if not isinstance(error, Exception):
                return
            if not self.sent:
                self._status = 500
            if self._environ.get(_FAILED) is not error:
                fail(self._span, error)
        except Exception as own:  # noqa: BLE001 - logged; the program's own exception stays
            fault(_PLACE, own)

    def end(self) -> None:
        """End the span; further calls do nothing."""
        try:
            if self._watches and self._span.is_recording():
                finish(self._span, self._method, self._route, self._status)
        except Exception as error:  # noqa: BLE001 - logged
            fault(_PLACE, error)


class _Body:
    """Forwards the body; the span ends with it."""

    def __init__(self, body: Iterable[bytes], exchange: Exchange, context: Context) -> None:
        self._body = body
        self._exchange = exchange
        self._context = context

    def __iter__(self) -> Iterator[bytes]:
        parts, exchange = iter(self._body), self._exchange
        while True:
            token: Token[Context] = attach(self._context)
            try:
                part = next(parts)
            except StopIteration:
                exchange.end()  # test clients often read the body and do not close it
                return
            except Exception as error:
                exchange.failed(error)
                exchange.end()
                raise
            finally:
                detach(token)
            if part:
                exchange.sent = True
            yield part

    def close(self) -> None:
        # A generator that has stopped inside a span's block leaves it now, and would make that span's parent current.
        token: Token[Context] = attach(self._context)
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            detach(token)
            self._exchange.end()


def instrument_flask() -> None:
    """Trace every Flask application of the process."""
    import flask

    from devenv.tracing.process.patching import replace

    # A program puts its middleware around `wsgi_app`, which `__call__` calls: the span begins outside of both.
    replace(flask.Flask, "__call__", as_method)
    replace(flask.Flask, "wsgi_app", as_method)


def _watch_flask() -> None:
    """Record the exceptions that Flask turns into a response with 500: no middleware sees them."""
    flask = sys.modules.get("flask")
    if flask is not None and hasattr(flask, "got_request_exception"):
        flask.got_request_exception.connect(_flask_failed)


def _flask_failed(_app: Any, exception: BaseException | None = None, **_: Any) -> None:
    try:
        request = sys.modules["flask"].request
        environ, rule = request.environ, request.url_rule
        if rule is not None:
            environ[ROUTE_KEY] = str(rule.rule)  # Flask drops its request before the middleware gets the exception
        if _MARK in environ and isinstance(exception, Exception) and environ.get(_FAILED) is not exception:
            environ[_FAILED] = exception  # the middleware may get it, too
            fail(get_current_span(), exception)
    except Exception as error:  # noqa: BLE001 - logged
        fault("flask", error)


def as_method(original: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Wrap a class's WSGI method in the middleware, which does nothing in a request that has passed one."""
    key = f"_devenv_tracing_{original.__name__}"  # Flask has two

    def call(self: Any, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        application = self.__dict__.get(key) or _middleware(self, key, original)
        return application(environ, start_response)

    return call


def _middleware(application: Any, key: str, original: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Return the middleware of an application, the application itself if that fails."""
    served: Callable[..., Iterable[bytes]] = original.__get__(application)
    try:
        served = application.__dict__[key] = WSGIMiddleware(served)
    except Exception as error:  # noqa: BLE001 - logged
        fault(_PLACE, error)
    return served


def _field(environ: Environ, name: str) -> list[str]:
    value = environ.get(_PREFIX + name)
    return [] if value is None else [value]


def _fields(environ: Environ) -> list[tuple[str, str]]:
    at = len(_PREFIX)
    return [(name[at:].replace("_", "-"), value) for name, value in environ.items() if name.startswith(_PREFIX)]


def _route(environ: Environ) -> str | None:
    """Return the path template that Flask or Django has chosen, below the place at which the application stands."""
    request = environ.get("werkzeug.request")
    rule = getattr(request, "url_rule", None)
    route: str | None = environ.get(ROUTE_KEY) if rule is None else str(rule.rule)
    root = environ.get("SCRIPT_NAME")
    return f"{_as_sent(root).rstrip('/')}{route}" if root and route is not None else route


def _as_sent(text: str) -> str:
    """Return a text of the environ with the characters that the client sent (PEP 3333: each byte is one character)."""
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode("utf-8", "replace")
    except UnicodeEncodeError:  # a server or a test that does not keep to the rule
        return text


def _correct(environ: Environ) -> None:
    """Record the client, the scheme and the host that ProxyFix has chosen inside of the span."""
    try:
        span = environ[_MARK]
        if span is not None and span.is_recording():
            origin = _origin(environ)
            found = {
                "client.address": origin.client,
                "url.scheme": origin.scheme,
                "server.address": origin.address,
                "server.port": origin.port,
            }
            span.set_attributes({name: value for name, value in found.items() if value})
    except Exception as error:  # noqa: BLE001 - logged
        fault(_PLACE, error)


def _origin(environ: Environ) -> Origin:
    port = str(environ.get("SERVER_PORT", ""))
    return origin_of(
        environ.get("wsgi.url_scheme", "http"),
        environ.get("HTTP_HOST", ""),
        (environ.get("SERVER_NAME"), int(port) if port.isdigit() else None),
        environ.get("REMOTE_ADDR") or "",
        {name: environ[key] for name, key in OF_PROXIES if key in environ},
    )


def describe(environ: Environ) -> tuple[Shared, dict[str, Any]]:
    """Return the attributes of a request that are known at its start."""
    of_peer = str(environ.get("REMOTE_PORT", ""))
    return described(
        _origin(environ),
        environ.get("REQUEST_METHOD", "GET"),
        environ.get("SERVER_PROTOCOL", "").partition("/")[2],
        _as_sent(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")),
        _as_sent(environ.get("QUERY_STRING", "")),
        environ.get("HTTP_USER_AGENT"),
        _all_fields(environ),
        int(of_peer) if of_peer.isdigit() else None,
    )


def _all_fields(environ: Environ) -> Iterator[tuple[str, str]]:
    """Yield each field of a request, those of its body included."""
    yield from _fields(environ)
    for name, key in _OF_THE_BODY:
        if environ.get(key):
            yield name, environ[key]
