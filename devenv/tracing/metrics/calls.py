"""Measures the calls of HTTP clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from time import perf_counter, time_ns
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.trace import Span

from devenv.tracing import clients
from devenv.tracing.active import state
from devenv.tracing.clients import DEFAULT_PORTS, ClientCall, ClientSpan, Connected
from devenv.tracing.light.unsampled import UnsampledSpan
from devenv.tracing.metrics.served import OTHER, failure
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace

_PLACE = "the duration of a call"
_STATUS = "http.response.status_code"
_LEAST_ERROR = 400


def install() -> None:
    """Measure each call that our integrations trace."""
    replace(clients, "open_call", _measuring)


def _measuring(original: Callable[..., ClientCall]) -> Callable[..., ClientCall]:
    def open_call(method: str, url: object, context: Context, kind: type[ClientCall]) -> ClientCall:
        if state.meter is None:
            return original(method, url, context, kind)
        made: Any = original(method, url, context, MeasuredCall if kind is ClientCall else MeasuredSpan)
        made.begin(method, url)
        return made  # type: ignore[no-any-return] # of one of the two classes

    return open_call


class Unrecorded(UnsampledSpan):
    """Stands for the span of a block that is measured and not recorded; keeps the status that is set on it."""

    status: Any = 0

    def set_attribute(self, key: str, value: Any) -> None:
        """Keep the status."""
        if key == _STATUS:
            self.status = value

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Keep the status."""
        if isinstance(attributes, Mapping):  # a program may give anything
            self.status = attributes.get(_STATUS, self.status)


class Measure:
    """The duration of one call, and what is known of it.

    Attributes:
        status: The status of the response, 0 without one.
        version: The version of HTTP, empty if it is not known.
        error: The exception with which the call ended.
    """

    status: int
    version: str
    error: BaseException | None
    _began: float
    _method: str
    _url: object
    _over: bool

    def begin(self, method: str, url: object) -> None:
        """Begin.

        Args:
            method: The call's method.
            url: Its full URL, an object of a client library or one that is read with `str` at the end.
        """
        self._method = method
        self._url = url
        self._over = False
        self.status = 0
        self.version = ""
        self.error = None
        self._began = perf_counter()

    def record(self, at: int | None = None) -> None:
        """Record the duration, once; does not raise.

        Args:
            at: The time of the end in nanoseconds since the epoch. Default: now.
        """
        if self._over:
            return
        self._over = True
        seconds = perf_counter() - self._began
        try:
            meter = state.meter
            if meter is None:
                return
            if at is not None:
                seconds = max(0.0, seconds - (time_ns() - at) / 1e9)
            address, port = server_of(self._url)
            method, status = self._method, self.status
            error = failure(status, _LEAST_ERROR, self.error)
            if method not in state.methods:
                method = OTHER
            meter.client((method, address, port, status or None, self.version or None, error), seconds)
        except Exception as error:  # noqa: BLE001 - logged
            fault(_PLACE, error)


class MeasuredCall(Measure, ClientCall):
    """A call that is measured, and recorded if its span is."""

    watched = True

    def answered(
        self,
        status: int,
        headers: Mapping[str, str] | None = None,
        connected: Connected | None = None,
        response: Any = None,
    ) -> None:
        """Record the response."""
        super().answered(status, headers, connected, response)
        try:
            self.status = status
            if connected is not None:
                self.version = connected(response)[0]
        except Exception as error:  # noqa: BLE001 - logged
            fault(_PLACE, error)

    def failed(self, error: BaseException, peer: Any = None) -> None:
        """Record that the call ended without a response."""
        super().failed(error, peer)
        self.error = error

    def end(self, at: int | None = None) -> None:
        """End the span and record the duration."""
        super().end(at)
        self.record(at)


class MeasuredSpan(Measure, ClientSpan):
    """The block of `client_span` that is measured, and recorded if its span is."""

    def __enter__(self) -> Span:
        if self.span.__class__ is UnsampledSpan:
            self.span = Unrecorded(self.span.hex, self.span.flags, self.span.state)
        return super().__enter__()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        super().__exit__(exc_type, exc, traceback)
        try:
            status = _status_of(self.span)
            self.status = status if isinstance(status, int) else 0
            self.error = exc
        except Exception as error:  # noqa: BLE001 - logged
            fault(_PLACE, error)
        self.record()


def _status_of(span: Span | Any) -> Any:
    if span.__class__ is Unrecorded:
        return span.status
    return (getattr(span, "attributes", None) or {}).get(_STATUS, 0)


def server_of(url: Any) -> tuple[str, int | None]:
    """Return `server.address` and `server.port` of a full URL: httpx's, yarl's, or what `str` turns into a text."""
    host = getattr(url, "raw_host", None)
    if host:
        return host.decode() if isinstance(host, bytes) else host, url.port or DEFAULT_PORTS.get(url.scheme)
    text = url if url.__class__ is str else str(url)
    begins = text.find("//") + 2
    ends = text.find("/", begins)
    authority = text[begins:] if ends < 0 else text[begins:ends]
    return _authority(text[: begins - 2], authority.partition("?")[0].rpartition("@")[2])


@lru_cache(maxsize=1024)
def _authority(scheme: str, authority: str) -> tuple[str, int | None]:
    parts = urlsplit(f"{scheme}//{authority}")
    try:
        port = parts.port
    except ValueError:  # not a number: the call itself fails
        port = None
    return parts.hostname or "", port or DEFAULT_PORTS.get(parts.scheme)
