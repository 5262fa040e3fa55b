"""requests: a client span for each call of a session.

What an adapter sends again by `max_retries` has a span for each time, if urllib3 is traced too, as it is by `auto`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import requests

from devenv.tracing.clients import NO_CALL, RESENT, SENDS, Sending, begin_call, note_sends, sending, sending_of
from devenv.tracing.context.ambient import attach, detach
from devenv.tracing.integrations.urllib3_client import connected, instrument_connections
from devenv.tracing.light.unsampled import UnsampledSpan
from devenv.tracing.process.patching import replace

_LIBRARY = "requests"


class TracedAdapter(requests.adapters.HTTPAdapter):
    """An adapter to mount on one session: `session.mount("http://", TracedAdapter())`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        replace(requests.PreparedRequest, "copy", _copying)
        instrument_connections()

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Send one request."""
        return _send(super().send, request, *args, **options)


def instrument() -> None:
    """Trace every session of the process."""

    def make(original: Callable[..., requests.Response]) -> Callable[..., requests.Response]:
        def send(
            self: requests.adapters.HTTPAdapter, request: requests.PreparedRequest, *args: Any, **options: Any
        ) -> requests.Response:
            if isinstance(self, TracedAdapter):
                return original(self, request, *args, **options)
            return _send(original.__get__(self), request, *args, **options)

        return send

    replace(requests.adapters.HTTPAdapter, "send", make)
    replace(requests.PreparedRequest, "copy", _copying)
    instrument_connections()


def _copying(original: Callable[..., requests.PreparedRequest]) -> Callable[..., requests.PreparedRequest]:
    """Let the copy of a request that has been sent know it: redirects and authentication send copies."""

    def copy(self: requests.PreparedRequest) -> requests.PreparedRequest:
        made = original(self)
        sends = getattr(self, SENDS, 0)
        if sends:
            note_sends(_LIBRARY, made, sends)
        return made

    return copy


def _send(
    send: Callable[..., requests.Response], request: requests.PreparedRequest, *args: Any, **options: Any
) -> requests.Response:
    resends = getattr(request, SENDS, 0)
    call = begin_call(_LIBRARY, request.method or "GET", request.url or "", request.headers, resends)
    if call is NO_CALL:
        return send(request, *args, **options)
    attempts = (
        None if call.span.__class__ is UnsampledSpan and not call.watched else sending_of(_LIBRARY, call, resends)
    )
    if attempts is not None:
        return _send_recorded(attempts, send, request, *args, **options)
    token = attach(call.below())
    try:
        response = send(request, *args, **options)
    except BaseException as error:
        call.failed(error)
        raise
    else:
        call.answered(response.status_code)
        if response.status_code in RESENT:
            note_sends(_LIBRARY, request, resends + 1)
        return response
    finally:
        detach(token)
        call.end()


def _send_recorded(
    attempts: Sending,
    send: Callable[..., requests.Response],
    request: requests.PreparedRequest,
    *args: Any,
    **options: Any,
) -> requests.Response:
    """Send a request that urllib3 may send again, by `max_retries` of the adapter."""
    present = sending.set(attempts)
    token = attach(attempts.call.below())
    try:
        response = send(request, *args, **options)
    except BaseException as error:
        attempts.call.failed(error, attempts.peer)
        raise
    else:
        attempts.call.answered(response.status_code, response.headers, connected, attempts)
        if response.status_code in RESENT:
            note_sends(_LIBRARY, request, attempts.resends + 1)
        return response
    finally:
        detach(token)
        sending.reset(present)
        attempts.call.end()
