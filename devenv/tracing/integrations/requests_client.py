"""requests: a client span for each call of a session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import requests

from devenv.tracing.clients import NO_CALL, begin_call
from devenv.tracing.context.ambient import attach, detach
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
    call = begin_call("requests", request.method or "GET", request.url or "", request.headers)
    if call is NO_CALL:
        return send(request, *args, **options)
    token = attach(call.below())
    try:
        response = send(request, *args, **options)
    except BaseException as error:
        call.failed(error)
        raise
    else:
        call.answered(response.status_code, response.headers)
        return response
    finally:
        detach(token)
        call.end()
