"""Measures the requests of WSGI applications, to the end of their bodies."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from opentelemetry.context import Context

from devenv.tracing.active import state
from devenv.tracing.integrations.wsgi import OF_PROXIES, Environ, Exchange, WSGIMiddleware, describe
from devenv.tracing.metrics.served import served
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace

_PLACE = "the duration of a request"
_PROXIES = tuple(key for _, key in OF_PROXIES)


def install() -> None:
    """Measure each request that our middleware serves."""
    replace(WSGIMiddleware, "_begin", _beginning)


def _beginning(original: Callable[..., tuple[Exchange, Context]]) -> Callable[..., tuple[Exchange, Context]]:
    def begin(self: WSGIMiddleware, environ: Environ) -> tuple[Exchange, Context]:
        exchange, context = original(self, environ)
        return _measured(self, exchange, environ), context

    return begin


def _measured(middleware: WSGIMiddleware, exchange: Exchange, environ: Environ) -> Exchange:
    """Return the exchange that is measured; the given one if its path is excluded, or no metrics are exported."""
    try:
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        side = middleware._side  # noqa: SLF001 - of the class whose method is replaced
        if state.meter is None or side.is_excluded(environ, path, describe):
            return exchange
        made = MeasuredExchange.__new__(MeasuredExchange)
        vars(made).update(vars(exchange), _watches=True)
    except Exception as error:  # noqa: BLE001 - logged
        fault(_PLACE, error)
        return exchange
    made.began = perf_counter()
    return made


class MeasuredExchange(Exchange):
    """One request, whose duration is recorded at its end.

    Attributes:
        began: `time.perf_counter` at the start.
        error: The exception that the application ended with.
        over: Whether it has been recorded.
    """

    began: float
    error: BaseException | None = None
    over = False

    def failed(self, error: BaseException) -> None:
        """Record an exception of the application."""
        super().failed(error)
        self.error = error

    def end(self) -> None:
        """End the span, and record the duration; further calls do nothing."""
        super().end()
        if self.over:
            return
        self.over = True
        seconds = perf_counter() - self.began
        try:
            meter = state.meter
            if meter is not None:
                meter.server(self._values(), seconds)
        except Exception as error:  # noqa: BLE001 - logged
            fault(_PLACE, error)

    def _values(self) -> tuple[Any, ...]:
        environ = self._environ
        if any(key in environ for key in _PROXIES):
            scheme = describe(environ)[0].values["url.scheme"]
        else:
            scheme = environ.get("wsgi.url_scheme", "http")
        version = environ.get("SERVER_PROTOCOL", "").partition("/")[2]
        return served(self._method, scheme, self._status, self._route, version, self.error)
