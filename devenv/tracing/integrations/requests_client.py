"""requests: a client span for each call of a session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import requests

from devenv.tracing.active import state
from devenv.tracing.clients import ClientCall
from devenv.tracing.process.patching import replace


class TracedAdapter(requests.adapters.HTTPAdapter):
    """An adapter to mount on one session: `session.mount("http://", TracedAdapter())`."""

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


def _send(
    send: Callable[..., requests.Response], request: requests.PreparedRequest, *args: Any, **options: Any
) -> requests.Response:
    call = ClientCall(request.method or "GET", request.url or "", state.passive())
    call.put(request.headers)
    try:
        response = send(request, *args, **options)
        call.answered(response.status_code)
    except BaseException as error:
        call.failed(error)
        raise
    finally:
        call.end()
    return response
