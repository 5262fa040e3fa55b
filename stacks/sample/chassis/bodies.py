"""JSON bodies of answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def encode(value: Any) -> bytes:
    """A value as JSON, by an encoder that is made once: Starlette's makes one for each answer."""
    return _encode(value).encode()


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer of a JSON value."""
    return Response(encode(value), status, headers, media_type="application/json")


def encoded_response(body: bytes) -> Response:
    """An answer of JSON that is encoded already."""
    return Response(body, media_type="application/json")
