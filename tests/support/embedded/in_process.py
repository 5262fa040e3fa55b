"""The embedded backend in this process, without a socket."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from devenv.backend import EmbeddedSettings
from devenv.backend.server import Backend
from devenv.http.server import HttpRequest, Response, Router

PROTOBUF = "application/x-protobuf"
START = 1_700_000_000_000_000_000


@pytest.fixture
def backend() -> Backend:
    """A backend that does not listen."""
    return Backend(EmbeddedSettings(max_bytes=1 << 20))


def post(backend: Backend, body: bytes, content_type: str = PROTOBUF) -> Response:
    """Send spans to the receiver."""
    answer = backend._receiver.traces(HttpRequest("POST", "/v1/traces", "", {"content-type": content_type}, body))
    assert isinstance(answer, Response)
    return answer


async def get(backend: Backend, path: str, **parameters: Any) -> tuple[int, Any]:
    """Ask a query API; the status and the JSON document."""
    asked = HttpRequest("GET", path, urlencode(parameters, doseq=True), {})
    found = Router(backend._query_routes()).resolve(asked)
    assert not isinstance(found, Response), path
    response = found[0](found[1])
    if not isinstance(response, Response):
        response = await response
    body = response.body if isinstance(response.body, bytes) else b"".join(response.body)
    return response.status, json.loads(body)
